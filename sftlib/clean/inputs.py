"""Which files a source consists of."""

from pathlib import Path

from sftlib.clean.formats import content_suffix
from sftlib.core.errors import DataError

# What `datasets` writes beside its Arrow files.
DATASETS_FILES = ("dataset_info.json", "state.json", "dataset_dict.json")


def list_inputs(root: Path, path: str, suffixes: tuple[str, ...]) -> list[str]:
    """Paths, relative to `root`, of the files of the source at `path`, sorted.

    Raises `DataError` for a missing source, a symbolic link (it could lead out of the repository),
    a file with another suffix, or a folder without files.
    """
    place = root / path
    check_no_links(root, place)
    if not place.exists():
        raise DataError(f"{path} is missing: bring it with `dvc pull` or `dvc repro`, or add it")
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    found = []
    for file in files:
        name = file.relative_to(root).as_posix()
        check_no_links(root, file)
        if file.is_dir() or file.name.startswith("."):
            continue
        if file.name in DATASETS_FILES:
            continue
        if content_suffix(file) not in suffixes:
            if content_suffix(file) == ".target":  # read beside its .source
                continue
            raise DataError(f"{name}: this format is read from {' or '.join(suffixes)} files only")
        found.append(name)
    if not found:
        raise DataError(f"{path} holds no {' or '.join(suffixes)} file")
    return found


def check_no_links(root: Path, file: Path) -> None:
    """Refuse a path of which any part below the root is a symbolic link."""
    while file != root:
        if file.is_symlink():
            name = file.relative_to(root).as_posix()
            raise DataError(f"{name} is a symbolic link: put the file itself there")
        file = file.parent
