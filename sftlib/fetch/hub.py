"""A repository of a model hub, at one commit, by the hub's own client."""

import shutil
from pathlib import Path

from sftlib.core.errors import DataError
from sftlib.fetch.uri import HubUri

# Pickle, code and weights of other frameworks: never wanted, so never downloaded.
IGNORED = (
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.pkl",
    "*.pickle",
    "*.h5",
    "*.msgpack",
    "*.onnx",
    "*.tflite",
    "*.gguf",
    "*.py",
)


def bring_hub(uri: HubUri, target: Path, downloads: Path) -> None:
    """Write the files of the repository into the folder `target`.

    Raises `DataError` when it cannot be reached; HF_HUB_OFFLINE=1 allows only what is downloaded.
    """
    from huggingface_hub import snapshot_download

    kind = "dataset" if uri.is_dataset else "model"
    try:
        snapshot = snapshot_download(
            uri.repo,
            repo_type=kind,
            revision=uri.revision,
            cache_dir=downloads / "hub",
            ignore_patterns=list(IGNORED),
        )
    except Exception as error:  # the client raises many kinds, all of them about this repository
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DataError(
            f"the {kind} {uri.repo} at {uri.revision} could not be downloaded: {reason}\n"
            "check name, commit, network, HF_ENDPOINT and HF_TOKEN"
        ) from None
    # The client's cache holds links to blobs; copies of the files are what is wanted.
    shutil.copytree(snapshot, target, dirs_exist_ok=True)
