"""A pinned source from elsewhere -> data/raw/KEY."""

from sftlib.core.stage import Stage, run_stage
from sftlib.core.state import state_folder
from sftlib.fetch.bring import bring


def main(stage: Stage) -> None:
    key = stage.key_of("fetch", stage.params.fetch)
    source = stage.params.fetch[key]
    downloads = state_folder(stage.root) / "downloads"
    target = stage.output(f"data/raw/{key}")
    bring(f"fetch.{key}.uri", source.uri, source.sha256, target, downloads)


if __name__ == "__main__":
    run_stage(main)
