"""The pinned base model from elsewhere -> models/base, as safetensors."""

import shutil

from sftlib.base.gguf import convert_gguf
from sftlib.base.layout import check_layout, describe_model
from sftlib.core.stage import Stage, run_stage
from sftlib.core.state import state_folder
from sftlib.fetch.bring import bring


def main(stage: Stage) -> None:
    base, model = stage.params.base, stage.output("models/base")
    fetched = stage.scratch / "fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    bring("base.uri", base.uri, base.sha256, fetched, state_folder(stage.root) / "downloads")
    gguf = sorted(fetched.glob("*.gguf"))
    if len(gguf) == 1:
        convert_gguf(gguf[0], model)
    else:
        fetched.rename(model)
    check_layout(model)
    stage.metrics.update(describe_model(model))


if __name__ == "__main__":
    run_stage(main)
