"""`sft report` on a real build with hostile text in its data: nothing of it is obeyed."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import change_params, commit_all, git, new_project, questions, repro, run, write_rows
from selectolax.lexbor import LexborHTMLParser

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="needs the Debian package chromium")
ELEMENTS = {
    "html", "head", "meta", "title", "link", "style", "body", "nav", "main", "header", "section",
    "h1", "h2", "h3", "p", "a", "ol", "ul", "li", "dl", "div", "dt", "dd", "table", "thead",
    "tbody", "tr", "th", "td", "details", "summary", "code", "strong", "span", "sub", "ins", "del",
    "bdi", "svg", "g", "path", "rect", "line", "circle", "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "rel", "href", "id", "class", "style",
    "dir", "scope", "open", "aria-label", "role", "viewBox", "d", "fill", "x", "y", "x1", "x2",
    "y1", "y2", "cx", "cy", "r", "rx", "width", "height", "text-anchor",
}  # fmt: skip
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
LONG = "w" * 3000


def hostile_texts(address: str) -> list[str]:
    return [
        "<script>document.title='owned'</script>",
        f'"><img src="{address}/img" onerror=document.title="owned">',
        f"</style></title></svg><iframe src={address}/frame></iframe>",
        "{{ 7*7 }} {% include 'style.css' %} ${7*7}",
        "\u202eright to left\u202c \u2067isolate",
        LONG,
        "bell\x07 escape\x1b[31m tab\t line\u2028separator",
        f"<a href=javascript:alert(1)>x</a> <link rel=stylesheet href={address}/css>",
    ]


class Recorder(BaseHTTPRequestHandler):
    """Notes every request that it is sent."""

    def __init__(self, seen: list[str], *arguments: object) -> None:
        self.seen = seen
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[str]]]:
    """The address of a server on this machine, and the paths that were asked for."""
    seen: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Recorder, seen)) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", seen
        listening.shutdown()


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, server: tuple[str, list[str]]
) -> Path:
    """A project, built through the last stage, whose every text is hostile."""
    project = new_project(tmp_path_factory.mktemp("hostile"), tiny_model)
    texts = hostile_texts(server[0])
    rows = questions(0, 60)
    for n, text in enumerate(texts):
        row = {"prompt": f"{text} {n}", "completion": f"{text} yes"}
        copies = 3 if n < 6 else 2  # six rows that stand for others are shown
        rows += [*[row] * copies, {"prompt": f"  {text} {n}", "completion": [text]}]
    write_rows(project / "data/raw/a.jsonl", rows)
    operators = [{"name": "control_characters"}, {"name": "white_space"}]
    clean = {"max_dropped": 0.5, "operators": operators}
    tokenize = {"max_tokens": 8000, "tokens_per_pack": 8000}
    change_params(project, clean=clean, tokenize=tokenize, evaluate={"samples": 30})
    assert repro(project)[-1] == "release"
    commit_all(project)
    return project


@pytest.fixture(scope="module")
def html(hostile: Path) -> str:
    done = run(["python", "-m", "sftlib.cli", "report"], hostile)
    assert (done.returncode, done.stderr) == (0, "")
    return (hostile / "reports/index.html").read_text()


def test_every_text_is_shown_and_none_is_obeyed(html: str, server: tuple[str, list[str]]) -> None:
    page = LexborHTMLParser(html)
    shown = page.body.text() if page.body else ""
    for text in hostile_texts(server[0])[:4]:
        assert text in shown
    assert "w" * 1500 in shown
    assert "\\u202eright to left\\u202c" in shown
    assert "escape\\x1b[31m" in shown
    assert not set("\u202e\u202c\u2067\u2028\x07\x1b") & set(html)
    assert "49" not in shown.partition("7*7")[2][:40]


def test_no_element_or_attribute_is_injected(html: str) -> None:
    page = LexborHTMLParser(html)
    nodes = page.css("*")
    assert len(nodes) > 500
    assert {node.tag for node in nodes} <= ELEMENTS
    assert {name for node in nodes for name in node.attributes} <= ATTRIBUTES
    policy = page.css_first("meta[http-equiv]")
    assert policy is not None
    assert policy.attributes["content"] == POLICY


def test_nothing_outside_is_referenced(html: str) -> None:
    page = LexborHTMLParser(html)
    links = [node.attributes["href"] for node in page.css("[href]")]
    ids = {node.attributes["id"] for node in page.css("[id]")}
    assert {link for link in links if link != "data:,"} <= {f"#{id}" for id in ids}
    styles = [node.text() for node in page.css("style")]
    styles += [node.attributes["style"] or "" for node in page.css("[style]")]
    assert not any(word in style for style in styles for word in ("url(", "@import", "http"))


def chromium(page: Path, scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Open a page without a network; this machine alone can be reached, to see who is asked."""
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=1240,4000",
        f"--user-data-dir={scratch / 'profile'}",
    ]  # fmt: skip
    return run([CHROMIUM, *flags, *arguments, page.as_uri()], scratch)


@needs_chromium
def test_it_opens_in_a_browser_and_asks_nobody(
    hostile: Path, html: str, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    picture, seen = tmp_path / "page.png", server[1]
    done = chromium(hostile / "reports/index.html", tmp_path, f"--screenshot={picture}")
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 100_000  # a blank page of this size takes 20 kB
    dom = chromium(hostile / "reports/index.html", tmp_path, "--dump-dom").stdout
    assert "<title>Build report: chat</title>" in dom
    assert seen == []
    unsafe = tmp_path / "unsafe.html"  # the same text without escapes does both
    unsafe.write_text("\n".join(hostile_texts(server[0])))
    assert "<title>owned</title>" in chromium(unsafe, tmp_path, "--dump-dom").stdout
    assert "/img" in seen


def test_facts_are_the_same_bytes_elsewhere(hostile: Path, tmp_path: Path) -> None:
    shutil.copytree(hostile, tmp_path / "copy", symlinks=True)
    facts = {file.name: file.read_bytes() for file in (hostile / "data/report").glob("*.json")}
    assert sorted(facts) == ["figures.json", "samples.json"]
    shutil.rmtree(tmp_path / "copy/data/report")
    done = run(
        ["python", "-m", "stages.report"], tmp_path / "copy", PYTHONHASHSEED="7", TZ="Asia/Tokyo"
    )
    assert done.returncode == 0, done.stderr
    for name, data in facts.items():
        assert (tmp_path / "copy/data/report" / name).read_bytes() == data
        assert str(hostile).encode() not in data


def test_facts_of_the_stage_are_those_of_the_page(hostile: Path, html: str) -> None:
    folder = hostile / "data/report"
    folder.rename(hostile / "data/elsewhere")  # as if nobody had pulled it
    try:
        assert run(["python", "-m", "sftlib.cli", "report"], hostile).returncode == 0
        assert (hostile / "reports/index.html").read_text() == html
    finally:
        (hostile / "data/elsewhere").rename(folder)


def test_facts_alone_make_the_page_of_a_fresh_clone(hostile: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(hostile), "clone")
    clone, cache = tmp_path / "clone", str(hostile / ".dvc/cache")
    assert run(["dvc", "cache", "dir", "--local", cache], clone).returncode == 0
    assert run(["dvc", "checkout", "report"], clone).returncode == 0
    assert not (clone / "data/clean").exists()
    done = run(["python", "-m", "sftlib.cli", "report"], clone)
    assert (done.returncode, done.stderr) == (0, "")
    page = LexborHTMLParser((clone / "reports/index.html").read_text())
    assert not [node for node in page.css(".absent") if "Not built" in node.text()]
    assert page.css_first(".notice") is None
    assert page.css(".tokens .learned")


def test_a_build_that_stopped_says_what_is_missing(project: Path) -> None:
    done = run(["python", "-m", "sftlib.cli", "report"], project)
    assert done.returncode == 2
    assert done.stderr.startswith("error: metrics/clean is missing: build with `dvc repro clean`")
    repro(project, "split")
    assert run(["python", "-m", "sftlib.cli", "report"], project).returncode == 0
    page = LexborHTMLParser((project / "reports/index.html").read_text())
    absent = [node.text() for node in page.css(".absent")]
    wanted = [text.split("dvc repro ")[1].split()[0] for text in absent if "Not built" in text]
    assert wanted == ["compose", "tokenize", "tokenize", "train", "evaluate", "evaluate"]
    others = [text for text in absent if "Not built" not in text]
    assert others == [
        "No row was changed.", "No row was dropped.", "No row was dropped for another one.",
    ]  # fmt: skip
    assert page.css_first(".notice") is not None


def test_files_that_do_not_fit_are_an_error_with_a_remedy(hostile: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(hostile, copy, symlinks=True)
    with (copy / "sftlib/score/text.py").open("a") as stream:
        stream.write("# an edit\n")
    metrics = copy / "metrics/evaluate.json"
    metrics.write_text(metrics.read_text().replace('"improvement"', '"gain"'))
    done = run(["python", "-m", "sftlib.cli", "report"], copy)
    assert done.returncode == 3
    assert "error: what was built does not fit (KeyError: 'improvement')" in done.stderr
    assert "evaluate: sftlib/score" in done.stderr
    assert done.stderr.endswith("run `dvc repro`\n")
