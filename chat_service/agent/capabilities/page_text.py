"""A page's HTML → the text a reader sees.

A page may be anybody's, and be made to take long: every character is looked at a few times at
most, which the standard library's parser does not promise.
"""

import html
import re
from collections.abc import Iterator
from typing import Final

_HIDDEN: Final = frozenset({"script", "style", "noscript", "template", "svg", "head"})
_HEAD: Final = "head"
_TITLE: Final = "title"  # shown although it is in the head
# anything else ends a head that has no end of its own
_IN_HEAD: Final = frozenset(
    {"title", "meta", "link", "base", "script", "style", "noscript", "template"}
)
# their text holds no tags but their own end
_RAW: Final = frozenset({"script", "style", "title", "textarea"})
_BREAKS: Final = frozenset(
    {"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article"}
    | {"title", "ul", "ol", "table", "blockquote", "pre", "header", "footer", "nav"}
)
_MARKUP: Final = re.compile(r"<(?=[!?]|/?[A-Za-z])")
_NAME: Final = re.compile(r"/?[A-Za-z][^\s/>]*")
_IN_TAG: Final = re.compile(r"""["'>]""")
_RAW_ENDS: Final = {tag: re.compile(rf"</{tag}(?=[\s/>])", re.I) for tag in _RAW}


def page_text(page: str) -> str:
    pieces: list[str] = []
    hidden: list[str] = []  # the outermost of each
    title = False
    for piece, tag in _pieces(page):
        if piece and (title or not hidden):
            pieces.append(_unescaped(piece.replace("\n", " ")))
        name = tag.removeprefix("/")
        if name == _TITLE:
            title = name == tag
        if name in _BREAKS:
            pieces.append("\n")
        if name == tag:
            _begin(name, hidden)
        elif name in hidden:
            # whatever was left open inside ends here too
            del hidden[hidden.index(name) :]
    lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def _begin(name: str, hidden: list[str]) -> None:
    if _HEAD in hidden and name and name not in _IN_HEAD:
        hidden.remove(_HEAD)
    if name in _HIDDEN and name not in hidden:
        hidden.append(name)


def _pieces(page: str) -> Iterator[tuple[str, str]]:
    """Each text, with the tag that follows it: its name, or `/` and its name for an end."""
    at = 0
    while True:
        start, end, tag = _next_tag(page, at)
        yield page[at:start], tag
        if end < 0:
            return
        at = end
        if page[end - 2] == "/":
            yield "", f"/{tag}"
        elif tag in _RAW:
            found = _RAW_ENDS[tag].search(page, at)
            start = found.start() if found else len(page)
            yield page[at:start], ""
            at = start


def _next_tag(page: str, at: int) -> tuple[int, int, str]:
    """Where the next markup starts and ends, and which tag it is; it ends at -1 with the page."""
    found = _MARKUP.search(page, at)
    if found is None:
        return len(page), -1, ""
    start = found.start()
    if name := _NAME.match(page, found.end()):
        return start, _tag_end(page, name.end()), name.group().lower()
    ends_with = "-->" if page.startswith("<!--", start) else ">"
    end = page.find(ends_with, start + 2)
    return start, end + len(ends_with) if end >= 0 else -1, ""


def _tag_end(page: str, at: int) -> int:
    """Behind the `>` of a tag, which may stand within quotes too; -1 when there is none."""
    while found := _IN_TAG.search(page, at):
        at = found.end()
        if found.group() == ">":
            return at
        if _after_equals(page, found.start()):
            at = page.find(found.group(), at) + 1
            if at == 0:
                return -1
    return -1


def _after_equals(page: str, at: int) -> bool:
    return page[max(at - 8, 0) : at].rstrip().endswith("=")


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # the number of a character, in thousands of digits
        return text
