"""HTML of a page → the text that a reader sees.

A parser repairs what a page leaves open. A small hostile page can make that take minutes or
gigabytes, so `read_page` runs the parser in its own program with limits.
"""

import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

SECONDS: Final = 5.0
CPU_SECONDS: Final = 2
MAX_MEMORY: Final = 256 * 1024 * 1024

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


def read_page(page: str, *, seconds: float = SECONDS) -> str:
    """Blocks for at most `seconds`.

    Raises ValueError when the page needs more time or memory, and OSError when the machine can't
    start a process.
    """
    try:
        done = subprocess.run(
            # isolated: nothing of the environment changes what is imported
            [sys.executable, "-I", __file__],
            input=page.encode(errors="replace"),
            env={},  # no secret of this process is within reach of the parser
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=True,
        )
    except subprocess.SubprocessError as exc:
        raise ValueError("the page takes too much to read") from exc
    return done.stdout.decode()


def extract_text(page: str) -> str:
    """Runs in this process, without limits."""
    lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(_pieces(page)).split("\n"))
    return "\n".join(line for line in lines if line)


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


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    page = sys.stdin.buffer.read().decode()
    sys.stdout.buffer.write(extract_text(page).encode())


if __name__ == "__main__":
    _main()
