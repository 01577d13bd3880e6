"""Documents: what Markdown becomes in each dialect, and where it is cut."""

from typing import Final

import pytest

from automation_service.channels.kinds.discord import DISCORD_MARKDOWN
from automation_service.channels.kinds.slack import MRKDWN
from automation_service.channels.kinds.teams import CARD_MARKDOWN
from automation_service.channels.kinds.telegram import TELEGRAM_HTML
from automation_service.channels.markup.dialect import PLAIN, Dialect
from automation_service.channels.markup.document import (
    Document,
    join_blocks,
    read_document,
    safe_url,
    write_blocks,
)
from automation_service.channels.markup.hypertext import HYPERTEXT
from tests.support.oracles.growth import LINEAR, growth

SOURCE: Final = """\
## Head *line*

**Bold** and _thin_ and ~~gone~~ and `a<b` at <https://e.org/x>.

1. one
2. two
   - inner

> said

```py
if a < b: pass
```

| a | b |
|---|---|
| 1 | 22 |
"""
WRITTEN: Final[dict[str, tuple[Dialect, str]]] = {
    "plain": (
        PLAIN,
        "Head line\n\nBold and thin and gone and a<b at https://e.org/x.\n\n"
        "1. one\n2. two\n  - inner\n\n> said\n\nif a < b: pass\n\na | b\n--+---\n1 | 22",
    ),
    "slack": (
        MRKDWN,
        "*Head _line_*\n\n*Bold* and _thin_ and ~gone~ and `a&lt;b` at"
        " <https://e.org/x|https://e.org/x>.\n\n1. one\n2. two\n  • inner\n\n&gt; said\n\n"
        "```\nif a &lt; b: pass\n```\n\n```\na | b\n--+---\n1 | 22\n```",
    ),
    "discord": (
        DISCORD_MARKDOWN,
        "**Head *line***\n\n**Bold** and *thin* and ~~gone~~ and `a<b` at"
        " https://e.org/x\\.\n\n1\\. one\n2\\. two\n  - inner\n\n> said\n\n"
        "```py\nif a < b: pass\n```\n\n```\na | b\n--+---\n1 | 22\n```",
    ),
    "telegram": (
        TELEGRAM_HTML,
        "<b>Head <i>line</i></b>\n\n<b>Bold</b> and <i>thin</i> and <s>gone</s> and"
        ' <code>a&lt;b</code> at <a href="https://e.org/x">https://e.org/x</a>.\n\n'
        "1. one\n2. two\n  • inner\n\n<blockquote>said</blockquote>\n\n"
        "<pre>if a &lt; b: pass</pre>\n\n<pre>a | b\n--+---\n1 | 22</pre>",
    ),
    "teams": (
        CARD_MARKDOWN,
        "**Head _line_**\n\n**Bold** and _thin_ and gone and a<b at"
        " [https://e.org/x](https://e.org/x).\n\n1. one\n2. two\n  - inner\n\n\\> said\n\n"
        "if a < b: pass\n\na | b\n\n--+---\n\n1 | 22",
    ),
    "html": (
        HYPERTEXT,
        "<h2>Head <em>line</em></h2>\n<p><strong>Bold</strong> and <em>thin</em> and"
        " <del>gone</del> and <code>a&lt;b</code> at"
        ' <a href="https://e.org/x">https://e.org/x</a>.</p>\n'
        "<ol>\n<li>one</li>\n<li><p>two</p>\n<ul>\n<li>inner</li>\n</ul></li>\n</ol>\n"
        "<blockquote>\n<p>said</p>\n</blockquote>\n"
        '<pre><code class="language-py">if a &lt; b: pass</code></pre>\n'
        "<table><thead>\n<tr><th>a</th><th>b</th></tr>\n</thead>"
        "<tbody>\n<tr><td>1</td><td>22</td></tr>\n</tbody></table>",
    ),
}


def write_document(
    document: Document, dialect: Dialect, *, limit: int, ending: str = "", cut_ending: str = ""
) -> str:
    blocks = write_blocks(document, dialect, limit=limit, ending=ending, cut_ending=cut_ending)
    return join_blocks(blocks, dialect)


@pytest.mark.parametrize("name", WRITTEN)
def test_markdown_in_each_dialect(name: str) -> None:
    dialect, written = WRITTEN[name]
    document = read_document(SOURCE, "markdown", characters=10_000)
    assert write_document(document, dialect, limit=10_000) == written


@pytest.mark.parametrize("limit", [60, 100, 137, 500, 2_000])
@pytest.mark.parametrize("dialect", [PLAIN, MRKDWN, DISCORD_MARKDOWN, TELEGRAM_HTML, HYPERTEXT])
def test_a_document_never_exceeds_its_limit(dialect: Dialect, limit: int) -> None:
    document = read_document(SOURCE * 20, "markdown", characters=100_000)
    cut = dialect.text("cut")
    written = write_document(document, dialect, limit=limit, ending="whole", cut_ending=cut)
    assert dialect.size(written) <= limit
    assert written.endswith(cut)


def test_a_document_that_fits_exactly_is_whole() -> None:
    document = read_document("one\n\ntwo", "text", characters=100)
    whole = write_document(document, PLAIN, limit=100, ending="end", cut_ending="cut")
    assert whole == "one\n\ntwo\n\nend"
    again = write_document(document, PLAIN, limit=len(whole) + 2, ending="end", cut_ending="cut")
    assert again == whole


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("https://m\u00fcnchen.example/\u00e4", "https://xn--mnchen-3ya.example/%C3%A4"),
        ("https://e.org/(a)|b>", "https://e.org/%28a%29%7Cb%3E"),
        ("javascript:alert(1)", None),
        ("//example.org/", None),
        ("https://a@b.example/", None),
        ("https://", None),
        ("https://[::1]/", None),
        ("https://e.org/a b", None),
        ("https://e.org/" + "a" * 3_000, None),
        ("data:text/html,x", None),
    ],
)
def test_an_address_is_http_in_plain_characters_or_none(url: str, safe: str | None) -> None:
    assert safe_url(url) == safe


@pytest.mark.parametrize(
    "body",
    [
        "[" * 250_000,
        "![" * 120_000,
        "*a_b" * 60_000,
        "a**b" * 60_000,
        "`" * 250_000,
        "<a" * 120_000,
        "\\" * 250_000,
        ">" * 250_000,
        "- " * 120_000,
        "* a\n" * 60_000,
        "[a]: b\n" * 30_000,
        "[a](b" * 50_000,
        "&#" * 120_000,
        "|a" * 100_000 + "\n" + "|-" * 100_000,
        "a\n\n" * 80_000,
        "- a\n" * 60_000,
        "https://a.b/" * 20_000,
        "~~a" * 80_000,
        " " * 250_000,
        "[a\n" * 60_000,
        '("' * 100_000,
    ],
    ids=lambda body: ascii(body[:6]),
)
def test_no_text_takes_long_to_read(body: str) -> None:
    def read(size: int) -> None:
        document = read_document(body[:size], "markdown", characters=256 * 1024)
        write_document(document, HYPERTEXT, limit=2 * size)

    assert growth(read, len(body) // 4) < LINEAR


def _table(rows: int, columns: int, filled: int) -> str:
    head = "|" + "a|" * columns + "\n|" + "-|" * columns + "\n"
    return head + ("|" + "b|" * filled + "\n") * (rows - 2)


@pytest.mark.parametrize(
    "body", [_table(1_000, 9, 9), _table(100, 100, 1), "> " + _table(1_000, 9, 9)], ids=len
)
def test_a_table_beyond_the_limit_is_plain_text(body: str) -> None:
    small = _table(200, 9, 9)
    document = read_document(f"{small}\n\n{body}\n\n{small}\n\n**b**", "markdown", characters=10**6)
    kinds = ["text" if isinstance(node, str) else node.type for node in document.nodes]
    assert kinds == ["table", "text", "table", "paragraph"]


def test_tables_together_have_no_more_cells_than_one() -> None:
    document = read_document(f"{_table(200, 9, 9)}\n\n" * 9, "markdown", characters=10**6)
    assert [isinstance(node, str) for node in document.nodes] == [False] * 4 + [True] * 5


def test_paragraphs_together_have_a_limit_of_markup() -> None:
    paragraph = "![a" * 450 + "\n\n"
    document = read_document(paragraph * 20 + "**b**", "markdown", characters=10**6)
    kinds = [isinstance(node, str) for node in document.nodes]
    assert kinds == [False] * 9 + [True] * 11 + [False]
