"""HTML of a message: the dialect of mail and Matrix, cleaned once more by a list of tags."""

import html
from collections.abc import Sequence
from typing import Final

import nh3

from automation_service.channels.markup.dialect import Dialect

TAGS: Final = frozenset(
    [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
ATTRIBUTES: Final = {"a": {"href"}, "code": {"class"}, "ol": {"start"}}


class Hypertext(Dialect):
    gap = "\n"
    line_break = "<br>\n"

    def text(self, text: str) -> str:
        return html.escape(text, quote=True)

    def strong(self, inner: str) -> str:
        return f"<strong>{inner}</strong>"

    def emphasis(self, inner: str) -> str:
        return f"<em>{inner}</em>"

    def strike(self, inner: str) -> str:
        return f"<del>{inner}</del>"

    def code(self, text: str) -> str:
        return f"<code>{self.text(text)}</code>"

    def link(self, inner: str, url: str) -> str:
        return f'<a href="{html.escape(url, quote=True)}">{inner}</a>'

    def heading(self, inner: str, level: int) -> str:
        return f"<h{level}>{inner}</h{level}>"

    def paragraph(self, inner: str) -> str:
        return f"<p>{inner}</p>"

    def code_block(self, text: str, language: str) -> str:
        name = f' class="language-{language}"' if language else ""
        return f"<pre><code{name}>{self.text(text)}</code></pre>"

    def quote(self, inner: str) -> str:
        return f"<blockquote>\n{inner}\n</blockquote>"

    def items(self, items: Sequence[str], start: int | None) -> str:
        tag = "ul" if start is None else "ol"
        first = f' start="{start}"' if start not in (None, 1) else ""
        inner = "".join(f"<li>{_unwrap(item)}</li>\n" for item in items)
        return f"<{tag}{first}>\n{inner}</{tag}>"

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        head, *body = [self._row(row, "td" if at else "th") for at, row in enumerate(rows)]
        rest = f"<tbody>\n{''.join(body)}</tbody>" if body else ""
        return f"<table><thead>\n{head}</thead>{rest}</table>"

    def rule(self) -> str:
        return "<hr>"

    def size(self, written: str) -> int:
        return len(written.encode())

    def _row(self, row: Sequence[str], tag: str) -> str:
        cells = "".join(f"<{tag}>{self.text(cell)}</{tag}>" for cell in row)
        return f"<tr>{cells}</tr>\n"


HYPERTEXT: Final = Hypertext()


def clean_html(written: str, *, directed: bool = False) -> str:
    """Returns HTML of the listed tags only.

    `directed` is for mail: each block finds its own direction, and links send no referrer.
    """
    attributes = dict(ATTRIBUTES)
    values = {tag: {"dir": "auto"} for tag in ("p", "li", "td", "th", "h1", "h2", "h3")}
    if directed:
        attributes |= {tag: {"dir"} for tag in values}
    return nh3.clean(
        written,
        tags=set(TAGS),
        attributes=attributes,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer" if directed else None,
        set_tag_attribute_values=values if directed else {},
    )


def _unwrap(item: str) -> str:
    """Returns an item of one paragraph without its tags, as a tight list has it."""
    if item.startswith("<p>") and item.endswith("</p>") and item.count("<p>") == 1:
        return item[3:-4]
    return item
