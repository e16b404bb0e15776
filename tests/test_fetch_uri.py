"""What a uri of params.yaml may be: pinned, and unable to leave its folder or run a command."""

import pytest

from sftlib.core.errors import UsageError
from sftlib.fetch.uri import GitUri, HubUri, PackageUri, is_inside, parse_uri

SHA = "ab" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOT_PINNED = "the revision must be a commit of 40 hexadecimal digits"
WRONG_URL = "the URL must be https://, ssh://, file:// or a local path"


def wrong_path(path: str) -> str:
    return f"the path {path!r} must be relative, with no empty, . or .. part"


@pytest.mark.parametrize(
    ("uri", "sha256", "parsed"),
    [
        (
            "package:a-b.c==1!2.0+cpu/d/e f.txt",
            SHA,
            PackageUri("a-b.c", "1!2.0+cpu", "d/e f.txt", SHA),
        ),
        (
            f"git:https://host/a.git#data/en@{COMMIT}",
            None,
            GitUri("https://host/a.git", "data/en", COMMIT),
        ),
        (
            f"git:ssh://git@host/a#x@y.txt@{COMMIT}",
            None,
            GitUri("ssh://git@host/a", "x@y.txt", COMMIT),
        ),
        (f"git:file:///srv/a#.@{COMMIT}", None, GitUri("file:///srv/a", ".", COMMIT)),
        (f"git:../a:b#x@{COMMIT}", None, GitUri("../a:b", "x", COMMIT)),
        (f"hub:org/name@{COMMIT}", None, HubUri("org/name", COMMIT, "model")),
        (f"hub:datasets/org/name@{COMMIT}", None, HubUri("org/name", COMMIT, "dataset")),
    ],
)
def test_parsed(uri: str, sha256: str | None, parsed: object) -> None:
    assert parse_uri("fetch.a", uri, sha256) == parsed


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("s3:bucket/a", "must begin with package:, git: or hub:"),
        ("package:a==1.0", "must be package:NAME==VERSION/PATH"),
        ("package:a>=1.0/b", "must be package:NAME==VERSION/PATH"),
        ("package:--pre==1.0/b", "must be package:NAME==VERSION/PATH"),
        ("package:a==1.0/../b", wrong_path("../b")),
        ("package:a==1.0//b", wrong_path("/b")),
        ("git:https://host/a#data@main", NOT_PINNED),
        ("git:https://host/a#data@" + COMMIT[:12], NOT_PINNED),
        ("git:https://host/a#data@" + COMMIT.upper(), NOT_PINNED),
        ("git:https://host/a@" + COMMIT, "must be git:URL#PATH@COMMIT"),
        (f"git:https://host/a#b/../c@{COMMIT}", wrong_path("b/../c")),
        (f"git:https://host/a#-z@{COMMIT}", wrong_path("-z")),
        (f"git:ext::sh -c id#b@{COMMIT}", WRONG_URL),
        (f"git:--upload-pack=id#b@{COMMIT}", WRONG_URL),
        (f"git:http://host/a#b@{COMMIT}", WRONG_URL),
        (f"git:git@host:a#b@{COMMIT}", WRONG_URL),
        ("hub:org/name", "must be hub:ORG/NAME@COMMIT or hub:datasets/ORG/NAME@COMMIT"),
        (f"hub:name@{COMMIT}", "must be hub:ORG/NAME@COMMIT or hub:datasets/ORG/NAME@COMMIT"),
        (f"hub:../name@{COMMIT}", "must be hub:ORG/NAME@COMMIT or hub:datasets/ORG/NAME@COMMIT"),
        ("hub:org/name@main", NOT_PINNED),
    ],
)
def test_refused(uri: str, fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_uri("fetch.a", uri, SHA)
    assert str(caught.value) == f"params.yaml: fetch.a.uri: {uri!r}: {fault}"


def test_package_without_sha256() -> None:
    with pytest.raises(UsageError) as caught:
        parse_uri("base", "package:a==1.0/b", None)
    assert str(caught.value) == (
        "params.yaml: base.sha256: missing key; add the sha256 of the wheel of a==1.0, "
        "64 hexadecimal digits"
    )


def test_inside() -> None:
    outside = ["../b", "/etc/b", "a//b", "a\\b", "a/./b", "a/", "", "a\0b"]
    assert is_inside("a/b.txt")
    assert not any(map(is_inside, outside))
