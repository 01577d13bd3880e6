"""The markup that a service reads. Plain text is the dialect of those that read none."""

from collections.abc import Sequence
from typing import Final

BULLET: Final = "- "
# Of a table as text: wider cells are cut.
_MAX_CELL: Final = 40


class Dialect:
    """Writes plain text; a subclass writes the markup of its service.

    `text` makes what a person or a model wrote harmless. All others get what was written by this
    dialect already, but for `code`, `code_block`, `table` and addresses, which they make harmless
    themselves. An address is one that `safe_url` gave.
    """

    # What stands between two blocks, and for a line break inside one.
    gap = "\n\n"
    line_break = "\n"
    soft_break = "\n"
    bullet = BULLET

    def text(self, text: str) -> str:
        return text

    def strong(self, inner: str) -> str:
        return inner

    def emphasis(self, inner: str) -> str:
        return inner

    def strike(self, inner: str) -> str:
        return inner

    def code(self, text: str) -> str:
        return self.text(text)

    def link(self, inner: str, url: str) -> str:
        return url if inner == url else f"{inner} ({url})"

    def address(self, url: str) -> str:
        """Writes an address that stands in a text by itself."""
        return self.link(self.text(url), url)

    def heading(self, inner: str, level: int) -> str:
        return self.paragraph(self.strong(inner))

    def paragraph(self, inner: str) -> str:
        return inner

    def code_block(self, text: str, language: str) -> str:
        return self.paragraph(self.text(text))

    def quote(self, inner: str) -> str:
        return "\n".join(f"> {line}" for line in inner.split("\n"))

    def items(self, items: Sequence[str], start: int | None) -> str:
        """Writes a list; `start` is the first number of one that is numbered."""
        lines = []
        for at, item in enumerate(items):
            mark = self.bullet if start is None else self.text(f"{start + at}. ")
            lines.append(mark + item.replace("\n", "\n  "))
        return "\n".join(lines)

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        """Writes a table, of whose rows the first is the header. Cells are plain."""
        return self.code_block(format_table(rows), "")

    def rule(self) -> str:
        return self.text("———")

    def size(self, written: str) -> int:
        """Returns what the service counts."""
        return len(written)


PLAIN: Final = Dialect()


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns a table as lines of text, its columns under one another."""
    cells = [[" ".join(cell.split())[:_MAX_CELL] for cell in row] for row in rows]
    columns = max((len(row) for row in cells), default=0)
    widths = [
        max((len(row[at]) for row in cells if at < len(row)), default=0) for at in range(columns)
    ]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in cells
    ]
    if len(lines) > 1:
        lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join(lines)


def utf16_size(text: str) -> int:
    """Returns the number of UTF-16 units, which some services count as characters."""
    return len(text.encode("utf-16-le", "replace")) // 2
