"""What a person or a model wrote, as blocks that any dialect can write again.

Nothing passes as it came: HTML is text, an image is a link, and a link leads to http or https.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import httpx2
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from automation_service.channels.markup.dialect import PLAIN, Dialect
from automation_service.channels.message import MessageFormat
from shared.text.invisible_characters import clean_name, mark_invisible

MAX_URL: Final = 2_000
# More of a text is not read, whatever a service takes.
MAX_CHARACTERS: Final = 256 * 1024
# Markup that a paragraph may have. One that has more is text: to read it costs its square.
MAX_MARKS: Final = 2_000
# The sum of squared marks over all paragraphs; the paragraphs after it are plain text.
MAX_SQUARES: Final = 2 * MAX_MARKS**2
# Cells of all tables of a text together: each costs as much as a word of markup.
MAX_CELLS: Final = 8_000
# Lines of Markdown. What has more is text: each block has its cost.
MAX_LINES: Final = 4_000
# Of a block that is cut at least so much is worth to be shown.
_LEAST: Final = 40

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_TRAIL: Final = ".,;:!?'\"*_~"
_MARKS: Final = re.compile(r"[\[\]*_`<&~!\\]")
_HOST_LIKE: Final = re.compile(
    r"\s*(?:[a-z][a-z0-9+.-]*:/*)?(?:[^\s/@]*@)?((?:[a-z0-9-]+\.)+[a-z]{2,})", re.IGNORECASE
)
# What httpx2 leaves as it is and a dialect would read as markup.
_ENCODED: Final = {ord(c): f"%{ord(c):02X}" for c in "<>\"'|\\^`{}()[] "}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBlock:
    """One block in a dialect; `is_code` of one that is to be shown as it is."""

    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`read_document` makes one. `is_cut`: the text was longer than is read."""

    nodes: tuple[SyntaxTreeNode | str, ...]
    format: MessageFormat
    is_cut: bool


def read_subject(text: str, limit: int) -> str:
    """Returns one line of plain characters, at most `limit` of them; never empty."""
    line = clean_name(_scrub(text[: limit * 4]))
    return (line if len(line) <= limit else line[: limit - 1].rstrip() + "…") or "(no subject)"


def read_document(text: str, format: MessageFormat, *, characters: int) -> Document:
    """Reads at most `characters` of a text."""
    limit = min(characters, MAX_CHARACTERS)
    cut = len(text) > limit
    source = mark_invisible(_scrub(text[:limit]))
    nodes: tuple[SyntaxTreeNode | str, ...]
    if format == "markdown" and source.count("\n") > MAX_LINES:
        format = "text"
    match format:
        case "json":
            nodes = (source.strip(),)
        case "text":
            nodes = tuple(block for block in re.split(r"\n\s*\n", source) if block.strip())
        case "markdown":
            nodes = tuple(_parse(source))
    return Document(nodes=nodes, format=format, is_cut=cut)


def write_blocks(
    document: Document, dialect: Dialect, *, limit: int, ending: str = "", cut_ending: str = ""
) -> list[WrittenBlock]:
    """Returns the blocks of a document, at most `limit` with the ending and what is between.

    `ending` and `cut_ending` are in the dialect already; the second is for what was cut.
    """
    gap = dialect.size(dialect.gap)
    room = limit - max(dialect.size(ending), dialect.size(cut_ending)) - gap
    written: list[WrittenBlock] = []
    cut = document.is_cut
    for node in document.nodes:
        block = _write(node, document.format, dialect)
        if not block.text:
            continue
        size = dialect.size(block.text) + gap
        if size > room:
            cut = True
            if part := _write_part(node, document.format, dialect, room - gap):
                written.append(part)
            break
        written.append(block)
        room -= size
    if last := cut_ending if cut else ending:
        written.append(WrittenBlock(text=last))
    return written


def join_blocks(blocks: Iterable[WrittenBlock], dialect: Dialect) -> str:
    return dialect.gap.join(block.text for block in blocks)


def safe_url(url: str) -> str | None:
    """Returns an address of http or https in ASCII, without what could be markup, or None.

    One that names a user is refused, since it looks like another host.
    """
    if len(url) > MAX_URL or any(c <= " " or c == "\x7f" for c in url):
        return None
    try:
        parsed = httpx2.URL(url)
        host = parsed.raw_host
        if parsed.scheme not in ("http", "https") or not host or b":" in host or parsed.userinfo:
            return None
        encoded = str(parsed).translate(_ENCODED)
        return encoded if encoded.isascii() and len(encoded) <= MAX_URL else None
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        return None


def _scrub(text: str) -> str:
    """Returns a text without lone surrogates, which no encoding has."""
    return text.encode("utf-8", "replace").decode()


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    return parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])


def _parse(source: str) -> Iterator[SyntaxTreeNode | str]:
    """Yields the blocks; those with too much markup, or too many cells, as text."""
    for part in _split(source):
        if part.is_dense:
            yield part.text
        else:
            yield from SyntaxTreeNode(_parser().parse(part.text)).children


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    is_dense: bool


def _split(source: str) -> Iterator[_Part]:
    """Yields the source as it is, unless paragraphs of it cost more than there is for them."""
    paragraphs = re.split(r"(\n[ \t]*\n)", source)
    dense = [*_find_dense(paragraphs)]
    if not any(dense):
        yield _Part(source, False)
        return
    kept = ""
    for part, is_dense in zip(paragraphs, dense, strict=True):
        if not is_dense:
            kept += part
            continue
        if kept.strip():
            yield _Part(kept, False)
        kept = ""
        yield _Part(part, True)
    if kept.strip():
        yield _Part(kept, False)


def _find_dense(paragraphs: Sequence[str]) -> Iterator[bool]:
    """Yields for each paragraph whether it costs more than the others before it have left."""
    squares, cells = MAX_SQUARES, MAX_CELLS
    for paragraph in paragraphs:
        marks = sum(1 for _ in _MARKS.finditer(paragraph))
        asked = _count_cells(paragraph)
        is_dense = marks > MAX_MARKS or marks**2 > squares or asked > cells
        if not is_dense:
            squares -= marks**2
            cells -= asked
        yield is_dense


def _count_cells(paragraph: str) -> int:
    """Returns the cells of a paragraph if it is a table: a short row is filled up."""
    if "|" not in paragraph:
        return 0
    lines = paragraph.strip("\n").split("\n")
    return len(lines) * max(line.count("|") for line in lines) if len(lines) > 1 else 0


def _write(node: SyntaxTreeNode | str, format: MessageFormat, dialect: Dialect) -> WrittenBlock:
    if isinstance(node, str):
        if format == "json":
            return WrittenBlock(text=dialect.code_block(node, "json"), is_code=True)
        return WrittenBlock(text=dialect.paragraph(_write_lines(node, dialect)))
    return WrittenBlock(
        text=_write_block(node, dialect), is_code=node.type in ("fence", "code_block", "table")
    )


def _write_part(
    node: SyntaxTreeNode | str, format: MessageFormat, dialect: Dialect, room: int
) -> WrittenBlock | None:
    """Returns the beginning of a block, as text or code, or None if there is no room for it."""
    is_code = not isinstance(node, str) and node.type in ("fence", "code_block")
    is_code = is_code or format == "json"
    text = node if isinstance(node, str) else _write_block(node, PLAIN)

    def write(count: int) -> str:
        part = text[:count].rstrip() + "…"
        if is_code:
            return dialect.code_block(part, "")
        return dialect.paragraph(dialect.text(part).replace("\n", dialect.line_break))

    low, high = 0, min(len(text), max(room, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if dialect.size(write(middle)) <= room:
            low = middle
        else:
            high = middle - 1
    return WrittenBlock(text=write(low), is_code=is_code) if low >= _LEAST else None


def _write_block(node: SyntaxTreeNode, dialect: Dialect) -> str:
    match node.type:
        case "paragraph":
            return dialect.paragraph(_write_inline(node, dialect))
        case "heading":
            return dialect.heading(_write_inline(node, dialect), int(node.tag[1:] or 1))
        case "fence" | "code_block":
            return dialect.code_block(node.content.rstrip("\n"), _language(node.info))
        case "blockquote":
            return dialect.quote(_write_children(node, dialect, dialect.gap))
        case "bullet_list":
            return dialect.items(_write_items(node, dialect), None)
        case "ordered_list":
            start = str(node.attrs.get("start", 1))
            return dialect.items(_write_items(node, dialect), int(start) if start.isdigit() else 1)
        case "table":
            return dialect.table([*_rows(node)])
        case "hr":
            return dialect.rule()
        case _:
            return dialect.paragraph(_write_lines(node.content, dialect)) if node.content else ""


def _write_children(node: SyntaxTreeNode, dialect: Dialect, gap: str) -> str:
    return gap.join(filter(None, (_write_block(child, dialect) for child in node.children)))


def _write_items(node: SyntaxTreeNode, dialect: Dialect) -> list[str]:
    gap = dialect.gap if dialect.gap == "" else "\n"
    return [_write_children(item, dialect, gap) for item in node.children]


def _rows(table: SyntaxTreeNode) -> Iterator[list[str]]:
    for part in table.children:
        for row in part.children:
            yield [_write_inline(cell, PLAIN) for cell in row.children]


def _write_inline(node: SyntaxTreeNode, dialect: Dialect, *, linked: bool = False) -> str:
    """Writes what stands in a block or in another inline node; `linked` inside a link."""
    written = []
    for child in node.children:
        match child.type:
            case "inline":
                written.append(_write_inline(child, dialect, linked=linked))
            case "text" if not linked:
                written.append(_write_text(child.content, dialect))
            case "softbreak":
                written.append(dialect.soft_break)
            case "hardbreak":
                written.append(dialect.line_break)
            case "strong":
                written.append(_wrap(dialect.strong, _write_inline(child, dialect, linked=linked)))
            case "em":
                written.append(
                    _wrap(dialect.emphasis, _write_inline(child, dialect, linked=linked))
                )
            case "s":
                written.append(_wrap(dialect.strike, _write_inline(child, dialect, linked=linked)))
            case "code_inline":
                written.append(dialect.code(child.content))
            case "link":
                written.append(_write_link(child, dialect))
            case "image":
                written.append(_write_image(child, dialect, linked=linked))
            case _:
                written.append(dialect.text(child.content))
    return "".join(written)


def _wrap(markup: Callable[[str], str], inner: str) -> str:
    return markup(inner) if inner.strip() else inner


def _write_link(node: SyntaxTreeNode, dialect: Dialect) -> str:
    url = safe_url(str(node.attrs.get("href", "")))
    inner = _write_inline(node, dialect, linked=True)
    if url is None:
        return inner
    shown = _write_inline(node, PLAIN, linked=True).strip()
    if not shown or safe_url(shown) == url:
        return dialect.address(url)
    host = httpx2.URL(url).host
    named = _HOST_LIKE.match(shown)
    # A text that names another host says in brackets where the link leads.
    aside = dialect.text(f" ({host})") if named and named[1].lower() != host.lower() else ""
    return dialect.link(inner, url) + aside


def _write_image(node: SyntaxTreeNode, dialect: Dialect, *, linked: bool) -> str:
    """Writes a link: an image would be fetched when the message is read, and tell so."""
    words = node.content or "image"
    url = safe_url(str(node.attrs.get("src", "")))
    inner = dialect.text(f"[{words}]")
    return inner if url is None or linked else dialect.link(inner, url)


def _write_lines(text: str, dialect: Dialect) -> str:
    lines = text.strip("\n").split("\n")
    return dialect.line_break.join(_write_text(line, dialect) for line in lines)


def _write_text(text: str, dialect: Dialect) -> str:
    """Writes a text in which addresses become links."""
    written, last = [], 0
    for found in _ADDRESS.finditer(text):
        raw = found[0].rstrip(_TRAIL)
        if raw.endswith(")") and raw.count(")") > raw.count("("):
            raw = raw.rstrip(")")
        url = safe_url(raw)
        if url is None:
            continue
        written.append(dialect.text(text[last : found.start()]))
        written.append(dialect.address(url))
        last = found.start() + len(raw)
    written.append(dialect.text(text[last:]))
    return "".join(written)


def _language(info: str) -> str:
    word = info.strip().split(" ")[0] if info.strip() else ""
    return word if re.fullmatch(r"[A-Za-z0-9_+#-]{1,20}", word) else ""
