"""The four forms of a `uri` in params.yaml."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from sftlib.core.errors import UsageError

PACKAGE = re.compile(
    r"package:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!]+)/(?P<path>.+)"
)
REPOSITORY = re.compile(r"(git|dvc):(?P<url>[^#]+)#(?P<path>.+)@(?P<revision>[^@]+)")
HUB = re.compile(r"hub:(?P<kind>datasets/)?(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>.+)")
COMMIT = re.compile(r"[0-9a-f]{40}")
GIT_URL = re.compile(r"(https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+|[./~]?[\w./~-]+")


@dataclass(frozen=True)
class PackageUri:
    """`package:NAME==VERSION/PATH`: a file or folder of a wheel; path "" is all of it."""

    name: str
    version: str
    path: str


@dataclass(frozen=True)
class GitUri:
    """`git:URL#PATH@COMMIT`: a file or folder of a commit; path "" is all of it."""

    url: str
    path: str
    revision: str


@dataclass(frozen=True)
class HubUri:
    """`hub:ORG/NAME@COMMIT` or `hub:datasets/ORG/NAME@COMMIT`: a repository of a hub."""

    repo: str
    is_dataset: bool
    revision: str


@dataclass(frozen=True)
class DvcUri:
    """`dvc:URL#PATH@COMMIT`: what DVC tracks at a commit; `.` is this very repository."""

    url: str
    path: str
    revision: str


Uri: TypeAlias = PackageUri | GitUri | HubUri | DvcUri

FORMS = {
    "package": "package:NAME==VERSION/PATH",
    "git": "git:URL#PATH@COMMIT",
    "dvc": "dvc:URL#PATH@COMMIT",
    "hub": "hub:ORG/NAME@COMMIT or hub:datasets/ORG/NAME@COMMIT",
}


def parse_uri(key: str, uri: str) -> Uri:
    """What `uri`, the value of `key` in params.yaml, names.

    Raises `UsageError` for an unknown form, a path that leaves its root, or a revision that is not
    a whole commit: branches and tags move, and then nobody can say which data made which model.
    """
    kind = uri.partition(":")[0]
    match = {"package": PACKAGE, "git": REPOSITORY, "dvc": REPOSITORY, "hub": HUB}[kind].fullmatch(
        uri
    )
    if match is None:
        raise fault(key, uri, f"is not of the form {FORMS[kind]}")
    if kind == "package":
        return PackageUri(match["name"], match["version"], inner_path(key, uri, match["path"]))
    if not COMMIT.fullmatch(match["revision"]):
        raise fault(key, uri, "must name a whole commit, 40 hexadecimal digits, after the last @")
    if kind == "hub":
        return HubUri(match["repo"], match["kind"] is not None, match["revision"])
    if not GIT_URL.fullmatch(match["url"]):
        raise fault(key, uri, "must name an https, ssh or file URL, or a path")
    path = inner_path(key, uri, match["path"])
    if kind == "git":
        return GitUri(match["url"], path, match["revision"])
    if not path:
        raise fault(key, uri, "must name a file or folder of that repository")
    return DvcUri(match["url"], path, match["revision"])


def inner_path(key: str, uri: str, path: str) -> str:
    """`path` in its plain form, "" for "."; raises `UsageError` when it leaves its root."""
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/") or "\\" in path:
        raise fault(key, uri, f"has the path {path!r}, which leaves its root")
    return "/".join(parts)


def fault(key: str, uri: str, what: str) -> UsageError:
    return UsageError(f"params.yaml: {key}: {uri!r} {what}")
