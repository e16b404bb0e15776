"""Bring what a `uri` names into a folder."""

from pathlib import Path

from sftlib.core.errors import DataError
from sftlib.fetch.dvc import bring_dvc
from sftlib.fetch.git import bring_git
from sftlib.fetch.hub import bring_hub
from sftlib.fetch.package import bring_package
from sftlib.fetch.uri import DvcUri, GitUri, PackageUri, parse_uri


def bring(key: str, uri: str, sha256: str | None, target: Path, downloads: Path) -> None:
    """Fill the new folder `target`; `key` is where `uri` stands in params.yaml.

    downloads: a folder that outlives the build, so that nothing is downloaded twice.
    Raises `UsageError` for a uri that is none, `DataError` when it brings no files or links.
    """
    parsed = parse_uri(key, uri)
    target.mkdir(parents=True)
    if isinstance(parsed, PackageUri):
        assert sha256 is not None, "load_params asks for it"
        bring_package(parsed, sha256, target, downloads)
    elif isinstance(parsed, GitUri):
        bring_git(parsed, target, downloads)
    elif isinstance(parsed, DvcUri):
        bring_dvc(parsed, target, downloads)
    else:
        bring_hub(parsed, target, downloads)
    files = [path for path in target.rglob("*") if not path.is_dir()]
    if not files:
        raise DataError(f"{key}: {uri} holds no files")
    for path in files:
        if path.is_symlink():
            raise DataError(f"{key}: {path.relative_to(target)} is a symbolic link: refused")
