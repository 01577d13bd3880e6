"""An answer's Markdown: what it becomes, and that no text is too odd, too deep or too long."""

import random
import re
from typing import Any, Final

from playwright.async_api import Browser, expect
from rota.chat.v1 import chat_pb2 as chat

from tests.web.script import calls
from tests.web.stub import Answers, stubbed

ANSWER: Final = """\
# A title

Some *words*, **more**, ~~gone~~, `code()` and a [paper](https://papers.example/a?b=1 "T").
A second line, https://host.example/path and <mail@host.example>, see [ref][r].

3. three
4. four

   in two paragraphs
   - [x] done
   - [ ] to do

> quoted
> > twice

| name | size |
|:-----|-----:|
| `a`  | 1    |

```python
print("hi")
```

![a chart](https://img.example/c.png) and [bad](javascript:alert(1)) <b onclick="x">raw</b>

[r]: https://ref.example/q
"""
# Each costs a parser that is not bounded its stack, or the square of its length.
DEEP: Final = (
    "> " * 5000 + "a",
    ">" * 20_000,
    "- " * 5000 + "a",
    "1. " * 5000 + "a",
    "\n".join(" " * 2 * n + "- a" for n in range(300)),
    "*a_" * 9_000,
    "*" * 20_000 + "a" + "*" * 20_000,
    "[" * 50_000,
    "![" * 20_000 + "](a)",
    "[a](" * 20_000,
    "`" * 50_000 + "a",
    "|" * 20_000 + "\n" + "|-" * 20_000 + "\n|",
    "<a " * 20_000,
    "x" * 200_000,
    "[a]: b\n" * 10_000,
)


def parsed(*texts: str) -> list[Any]:
    return calls("lib/markdown.ts", "parseMarkdown", [[text] for text in texts])


def told(value: Any) -> str:
    """All texts of blocks, in order."""
    match value:
        case str():
            return value
        case list():
            return "".join(told(each) for each in value)
        case dict():
            return "".join(told(each) for key, each in value.items() if key not in ("kind", "href"))
    return ""


def test_a_text_becomes_the_blocks_that_its_signs_say() -> None:
    (blocks,) = parsed(ANSWER)
    assert [each["kind"] for each in blocks] == [
        "heading", "paragraph", "list", "quote", "table", "code", "paragraph",
    ]  # fmt: skip
    heading, words, steps, quote, table, code, last = blocks
    assert heading == {"kind": "heading", "depth": 1, "inlines": ["A title"]}
    kinds = [each if isinstance(each, str) else each["kind"] for each in words["inlines"]]
    assert kinds == [
        "Some ", "em", ", ", "strong", ", ", "del", ", ", "code", " and a ", "link", ".", "break",
        "A second line, ", "link", " and ", "link", ", see ", "link", ".",
    ]  # fmt: skip
    links = [each["href"] for each in words["inlines"] if isinstance(each, dict) and "href" in each]
    assert links == [
        "https://papers.example/a?b=1", "https://host.example/path", "mailto:mail@host.example",
        "https://ref.example/q",
    ]  # fmt: skip
    assert (steps["ordered"], steps["start"], steps["loose"]) == (True, 3, True)
    tasks = steps["items"][1]["blocks"][-1]["items"]
    assert [each["checked"] for each in tasks] == [True, False]
    assert quote["blocks"][1]["kind"] == "quote"
    assert (table["align"], told(table["head"]), told(table["rows"])) == (
        ["left", "right"], "namesize", "a1",
    )  # fmt: skip
    assert code == {"kind": "code", "text": 'print("hi")', "info": "python"}
    assert last["inlines"] == [
        {"kind": "link", "href": "https://img.example/c.png", "inlines": ["a chart"]},
        ' and [bad](javascript:alert(1)) <b onclick="x">raw</b>',
    ]


def test_only_whole_addresses_of_the_web_and_of_mail_are_links() -> None:
    bad = (
        "javascript:x", "data:text/html,x", "//host.example", "/path", "#/chat", "vbscript:x",
        "JaVaScRiPt:x", "file:///x", "https:", "http://", " javascript:x", "&#106;avascript:x",
    )  # fmt: skip
    for text, blocks in zip(bad, parsed(*(f"[go]({each})" for each in bad)), strict=True):
        assert '"link"' not in str(blocks).replace("'", '"'), text


def test_a_link_whose_text_is_not_its_host_tells_it() -> None:
    table = (
        ("papers.example/a", "https://papers.example/a", True),
        ("https://papers.example", "https://papers.example/b", True),
        ("Papers.Example", "https://papers.example/b", True),
        ("the paper", "https://papers.example/b", False),
        ("papers.example.evil.example", "https://papers.example/b", False),
        ("https://papers.example", "https://evil.example/", False),
        ("https://papers.example@evil.example/", "https://papers.example@evil.example/", False),
        ("http://papers.example", "https://papers.example:8443/", False),
        ("раураl.example", "https://xn--l-7sba6dbr.example/", False),
        ("mail@host.example", "mailto:mail@host.example", True),
        ("write to us", "mailto:mail@host.example", False),
    )
    addresses = calls("lib/address.ts", "addressOf", [[href] for _, href, _ in table])
    given = [[text, address] for (text, *_), address in zip(table, addresses, strict=True)]
    assert calls("lib/address.ts", "namesHost", given) == [named for *_, named in table]


def test_each_beginning_of_a_streamed_answer_is_drawn_and_an_open_fence_is_code() -> None:
    beginnings = [ANSWER[:end] for end in range(0, len(ANSWER), 7)]
    assert len(parsed(*beginnings)) == len(beginnings)
    (blocks,) = parsed("Look:\n\n```python\nprint(1)\nx =")
    assert blocks[-1] == {"kind": "code", "text": "print(1)\nx =", "info": "python"}


def test_random_signs_are_drawn_and_lose_no_word() -> None:
    rng = random.Random(7)
    signs = [
        *"*_`~[]()<>#|-+!\\&\n\n  ",
        "word",
        "1. ",
        "- ",
        "> ",
        "```",
        "&amp;",
        "](",
        "http://a.b ",
    ]
    texts = ["".join(rng.choices(signs, k=60)) for _ in range(400)]
    for text, blocks in zip(texts, parsed(*texts), strict=True):
        # What defines a link's address is no text.
        if "]:" not in text:
            assert told(blocks).count("word") >= text.count("word") - text.count("```"), text


def test_a_text_that_is_too_deep_or_too_long_is_told_as_it_is() -> None:
    for text, blocks in zip(DEEP, parsed(*DEEP), strict=True):
        # What defines a link's address is no text.
        assert blocks or text.startswith("[a]:"), text[:20]
    assert parsed(DEEP[0])[0] == [{"kind": "plain", "text": DEEP[0]}]
    assert parsed(DEEP[-2])[0] == [{"kind": "plain", "text": DEEP[-2]}]


def thread(said: str, answer: str) -> Answers:
    name = "workspaces/w/threads/t"
    turn = chat.Turn(name=f"{name}/turns/u", state=chat.Turn.SUCCEEDED)
    messages = [
        chat.Message(
            name=f"{name}/messages/{role}", turn=turn.name, role=role, parts=[chat.Part(text=text)]
        )
        for role, text in ((chat.Message.AGENT, answer), (chat.Message.USER, said))
    ]
    return {
        "ChatService/GetThread": lambda _: chat.Thread(name=name, display_name="A talk"),
        "ChatService/ListTurns": lambda _: chat.ListTurnsResponse(turns=[turn]),
        "ChatService/ListMessages": lambda _: chat.ListMessagesResponse(messages=messages),
    }


async def test_an_answer_is_drawn_links_tell_their_host_and_texts_are_copied(
    browser: Browser,
) -> None:
    page, _ = await stubbed(browser, thread("a *question*", ANSWER), where="#/chat/t")
    say = page.locator(".say")
    paper = say.get_by_role("link", name="paper (papers.example)")
    await expect(paper).to_have_attribute("target", "_blank")
    await expect(paper).to_have_attribute("rel", "noopener noreferrer")
    await expect(
        say.get_by_role("link", name="https://host.example/path", exact=True)
    ).to_be_visible()
    await expect(say.get_by_role("link")).to_have_count(5)
    await expect(say.locator("ol")).to_have_attribute("start", "3")
    await expect(say.locator("blockquote blockquote")).to_contain_text("twice")
    await expect(say.get_by_role("checkbox")).to_have_count(2)
    await expect(say.get_by_role("columnheader", name="size")).to_be_visible()
    await expect(say.locator("img, b")).to_have_count(0)
    # Without the clipboard's permission, and then without the clipboard.
    await page.evaluate(
        """() => {
          window.copied = [];
          document.addEventListener('copy', () => window.copied.push(document.activeElement.value));
          Object.defineProperty(navigator, 'clipboard', {value: undefined});
        }"""
    )
    for button in ("Copy the code", "Copy the answer", "Copy the message"):
        await page.get_by_role("button", name=button, exact=True).click()
    await page.wait_for_function("window.copied.length === 3")
    assert await page.evaluate("window.copied") == ['print("hi")', ANSWER, "a *question*"]
    await expect(page.locator("#announcer")).to_have_text(re.compile("Copied."))
    await page.context.close()
