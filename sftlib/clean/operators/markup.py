"""HTML to text, where a text is HTML rather than about it."""

import html
import re

from sftlib.clean.operators.steps import Mend
from sftlib.clean.operators.view import View
from sftlib.core.operators import HtmlToText

BLOCKS = "p div section article header footer main ul ol table tr blockquote pre h1 h2 h3 h4 h5 h6"
INLINE = "a abbr b big center cite em font i img li mark s small span strike strong sub sup u"
OTHER = "br hr wbr code kbd td th thead tbody tfoot caption dl dt dd html head body title meta link"
HIDDEN = ("script", "style", "noscript", "template")
KNOWN = frozenset([*BLOCKS.split(), *INLINE.split(), *OTHER.split(), *HIDDEN])
SINGLE = {"br", "hr"}

# Possessive, so that no text takes more than linear time.
TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9_:-]*+)(?=[\s/>])[^<>]*+>")
SPECIAL = re.compile(r"<!--.*?-->|<!doctype[^<>]*+>", re.IGNORECASE | re.DOTALL)
REFERENCE = re.compile(r"&(?:nbsp|amp|lt|gt|quot|apos|hellip|[lr][sd]quo|[mn]dash|#\d{2,6});")
BREAK = re.compile(
    rf"<(?:br|hr|/?(?:{'|'.join(BLOCKS.split())}|dl|dt|dd|li))(?=[\s/>])[^<>]*+>", re.IGNORECASE
)
ITEM = re.compile(r"<li(?=[\s/>])[^<>]*+>", re.IGNORECASE)
# Right after a quote, a tag or a reference is a string of a program.
QUOTED = re.compile(r"[\"'](?:</?[A-Za-z]|&[a-z#0-9]+;)")
SUBJECT = re.compile(
    r"`|\b(?:html5?|xml|css|svg|jsx|javascript|markup|tags?|web ?pages?|websites?|entit(?:y|ies))\b"
    r"|网页|标签|代码|网站|实体",
    re.IGNORECASE,
)


def html_to_text(params: HtmlToText) -> Mend:
    """A scraped text without its markup: `<p>Hi &amp; bye</p>` -> `Hi & bye`.

    A text is converted when it holds a closed pair of well-known tags, or <br>, or a character
    reference, and no tag beyond the well-known ones (`<think>` and `List<String>` are none). A row
    is spared when any text of it, outside tags, has a backtick or speaks of HTML, tags, web pages
    or code: there the markup is what is to be learned. Bodies of script and style go, block
    elements become lines, items begin with "- ", addresses of links go. Parser: selectolax.
    """
    return Mend(params.name, convert, spares=speaks_of_markup)


def convert(text: str) -> str:
    if not is_html(text):
        return text
    converted = text_of(text) if "<" in text else html.unescape(text)
    # What looks like HTML once more was markup shown as text: better left as it stands.
    return text if is_html(converted) else converted


def is_html(text: str) -> bool:
    if ("<" not in text and "&" not in text) or QUOTED.search(text):
        return False
    if "<" not in text:
        return REFERENCE.search(text) is not None
    tags = [(bool(close), name.lower()) for close, name in TAG.findall(text)]
    opened = {name for close, name in tags if not close}
    closed = {name for close, name in tags if close}
    if not opened | closed <= KNOWN:
        return False
    return bool(opened & closed or opened & SINGLE)


def speaks_of_markup(view: View) -> bool:
    return any(SUBJECT.search(TAG.sub(" ", without_hidden(text))) for text in view.texts)


def without_hidden(text: str) -> str:
    """`text` up to its first script or style, whose words are not said to anyone."""
    return re.split(r"(?i)<(?:script|style)[\s>]", text, maxsplit=1)[0]


def text_of(text: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    text = SPECIAL.sub("", text)
    text = BREAK.sub(lambda tag: "\n" + tag[0], text)
    tree = LexborHTMLParser(ITEM.sub(lambda tag: tag[0] + "- ", text))
    tree.strip_tags(list(HIDDEN), recursive=True)
    lines = [line.rstrip() for line in (tree.body.text() if tree.body else "").split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
