"""The pinned base model from elsewhere, or a new one -> models/base, as safetensors."""

from sftlib.base.gguf import convert_gguf, only_gguf
from sftlib.base.layout import check_layout, describe_model
from sftlib.base.new import make_new
from sftlib.core.stage import Stage, run_stage
from sftlib.core.state import state_folder
from sftlib.fetch.bring import bring


def main(stage: Stage) -> None:
    base, model = stage.params.base, stage.output("models/base")
    if base.config is not None:
        make_new(base.uri.removeprefix("new:"), base.config, base.charset, model)
    else:
        fetched = stage.scratch / "fetched"
        bring("base.uri", base.uri, base.sha256, fetched, state_folder(stage.root) / "downloads")
        gguf = only_gguf(fetched)
        if gguf is None:
            fetched.rename(model)
        else:
            convert_gguf(gguf, model)
    check_layout(model)
    stage.metrics.update(describe_model(model))


if __name__ == "__main__":
    run_stage(main)
