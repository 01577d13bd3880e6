"""HTML of a page → the text that a reader sees.

A parser repairs what a page leaves open. A small hostile page can make that take minutes or
gigabytes, so a process of the sandbox does it.
"""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

# of CPU
SECONDS: Final = 2.0
MAX_TEXT: Final = 60_000  # what a model can still read

_HEAD: Final = "head"
_TITLE: Final = "title"  # shown although it is in the head
_TEXT: Final = "-text"
_HIDDEN: Final = frozenset(
    {"script", "style", "noscript", "template", "svg", "iframe", "noembed", "noframes"}
)
_BREAKS: Final = frozenset(
    {"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article"}
    | {"title", "ul", "ol", "table", "blockquote", "pre", "header", "footer", "nav"}
)
# In a head the parser would move its contents to the body.
_NOSCRIPT: Final = re.compile(r"<noscript\b[^>]*>.*?</noscript\s*>", re.I | re.S)
_CELLS: Final = frozenset({"td", "th"})


def extract_text(page: str) -> str:
    """Returns the text, or somewhat more than MAX_TEXT characters of it.

    Has no limits of its own: a job of the sandbox.
    """
    lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(_pieces(page)).split("\n"))
    return "\n".join(line for line in lines if line)[: MAX_TEXT + 1]


def _pieces(page: str) -> Iterator[str]:
    # no recursion: a page nests as deep as it likes
    node = LexborHTMLParser(_NOSCRIPT.sub("", page)).root
    while node is not None:
        tag = node.tag
        if tag == _TEXT and not _in_head(node):
            yield node.text_lexbor().replace("\n", " ")
        if tag in _BREAKS:
            yield "\n"
        elif tag in _CELLS:
            yield " "
        below = None if tag in _HIDDEN else node.first_child
        while below is None and node is not None:
            if node.tag in _BREAKS:
                yield "\n"
            below, node = node.next, node.parent
        node = below


def _in_head(text: LexborNode) -> bool:
    return text.parent is not None and text.parent.tag == _HEAD
