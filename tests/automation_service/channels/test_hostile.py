"""Outputs that mean harm, over every kind: what a reader sees is safe, and the service takes it."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from automation_service.channels.kinds.email import write_mail
from automation_service.channels.registry import CHANNELS
from tests.automation_service.channels.messages import LINK, Reader, message, reader
from tests.support.servers.receivers import KINDS
from tests.support.servers.smtp_server import Mail

# A body, and what must not reach a reader as it is.
BODIES: Final[dict[str, str]] = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)> <b onclick=x>b</b>\n\n<iframe>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x&#62; &amp;lt;",
    "image": "![pixel](https://tracker.example/p.png) and ![](https://tracker.example/q.png)",
    "linked image": "[![x](https://tracker.example/p.png)](https://example.org/)",
    "javascript": "[click](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) <javascript:alert(1)>",
    "data": "[click](data:text/html;base64,PHNjcmlwdD4=) ![x](data:image/png;base64,AAAA)",
    "other schemes": "[a](file:///etc/passwd) [b](slack://x) [c](tg://resolve?domain=x) <ftp://a.b>",
    "user in a link": "[bank](https://bank.example@evil.example/)",
    "another host": "[https://bank.example/login](https://evil.example/)",
    "mentions": "@everyone @here @channel @room @anna <!channel> <!here|x> <@U012> <@&77> /stop",
    "attributes": '[a](https://e.org/"onmouseover=alert(1)) [b](<https://e.org/x y> "><script>")',
    "direction": "evil \u202e gnp.exe \u2066 open and never closed",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 hello",
    "nul": "a\x00b\x07c\x1b[31md\x7f",
    "surrogate": "a\ud800b",
    "invisible": "a\u200bb\u2060c\ufeffd\U000e0041",
    "header": "a\r\nBcc: victim@example.org\r\n\r\n.\r\nQUIT\r\n",
    "dot": ".\n..\n.\n\n.",
    "markup": "*a _b ~c `d ||e|| \\f **g __h ~~i``` > # - [x](y) {{DATE(2026-01-01T00:00:00Z)}}",
    "fence": "````\n```\n<script>\n`````\n[x](javascript:1)",
    "pipes": "[a|b>c<d](https://example.org/?a=b|c>d)",
    "long": "word " * 40_000,
    "long line": "x" * 200_000,
    "many blocks": "p\n\n" * 60_000,
    "long fence": "```\n" + "<&>\n" * 50_000,
    "wide": "\U0001f600" * 50_000,
    "brackets": "[" * 100_000,
    "emphasis": "*a_" * 60_000,
    "ticks": "".join("`" * n + "x" for n in range(1, 600)),
    "quotes": ">" * 100_000 + "x",
    "lists": "".join("  " * n + "- x\n" for n in range(400)),
    "links": "[a](https://example.org/) " * 8_000,
    "table": "|a|b|\n|-|-|\n" + "|<b>|`x`|\n" * 20_000,
    "nested": "> - > - > - > - `a` **b *c* ~~d~~** [**e `f`**](https://example.org)\n",
    "empty": "",
    "blank": " \n\t\n\u200b",
}
# Of mails those that could mean something to a mail server; a connection each takes its time.
OVER_SMTP: Final = frozenset({"html", "nul", "header", "dot", "long line", "right to left"})
ALL: Final = ("email", *KINDS)
_TAGS: Final = re.compile(r"<\s*/?\s*([a-z][a-z0-9]*)", re.IGNORECASE)
_HARMLESS: Final = frozenset(
    [
        "a",
        "b",
        "blockquote",
        "body",
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
        "head",
        "hr",
        "html",
        "i",
        "li",
        "meta",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)


@pytest.fixture(params=ALL)
async def one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reader]:
    async with AsyncExitStack() as stack:
        yield await reader(stack, request.param, tmp_path)


async def test_no_body_does_harm_in_any_kind(one: Reader) -> None:
    """One test a kind, since a service of each is started but once."""
    for number, (name, body) in enumerate(BODIES.items(), start=1):
        # No mail is cut for its kind, and one of them at its full length is enough.
        most = 40_000 if one.mail and name != "long" else len(body)
        sent = message(body=body[:most], id=_id(number))
        if one.mail and name not in OVER_SMTP:
            raw = write_mail(sent, "anna@example.org", "rota@rota.example")
            one.mail.mails.append(Mail(sender="", recipients=[], raw=raw))
            _check_seen(one, name)
            continue
        answer = await CHANNELS[one.kind].send(one.settings, sent, one.ports)
        refused = one.service.refused if one.service else ()
        assert answer.is_success, (name, answer, refused)
        assert one.count == number, name
        if one.kind != "webhook":  # programs get JSON as it is
            _check_seen(one, name)


def _check_seen(one: Reader, name: str) -> None:
    text, markup = one.text, one.markup  # a mail is read for each
    if one.service:
        accepted = one.service.accepted[-1]
        assert accepted.mentions == (), name
        assert accepted.images == (), name
        links = {*accepted.links, *filter(None, [accepted.link])}
    else:
        links = {html.unescape(link) for link in re.findall(r'href="([^"]*)"', markup)}
    for link in links:
        assert link.startswith(("http://", "https://")), (name, link)
        assert "@" not in link, (name, link)
        assert not re.search(r"[\s<>\"']", link), (name, link)
    assert not set("\x00\x07\x1b\x7f\u202e\u2066\ud800\U000e0041") & set(text + markup), name
    if one.kind in ("email", "telegram", "matrix"):
        tags = {tag.lower() for tag in _TAGS.findall(markup)}
        assert tags <= _HARMLESS, (name, tags - _HARMLESS)
        assert not re.search(r"<[^>]*\son\w+\s*=", markup), name
    if name == "another host" and one.kind not in ("ntfy", "pushover"):
        assert "(evil.example)" in text, text
    if name == "right to left":
        assert "\u05e9\u05dc\u05d5\u05dd" in text


SUBJECTS: Final = {
    "a\r\nBcc: victim@example.org": "a Bcc: victim@example.org",
    "a\nb\tc": "a b c",
    "\u202egnp.exe": "gnp.exe",
    "": "(no subject)",
    "\u200b": "(no subject)",
    "x" * 5_000: "x" * 30,
    "\u05e9\u05dc\u05d5\u05dd \U0001f600": "\u05e9\u05dc\u05d5\u05dd \U0001f600",
    "<!channel> <b>*bold*</b> @everyone": "<!channel> <b>",
    "=?utf-8?q?=0d=0aBcc:_x@y.z?=": "=",
    "a\x00b\ud800": "ab",
}


async def test_no_subject_is_more_than_one_harmless_line(one: Reader) -> None:
    for number, (subject, seen) in enumerate(SUBJECTS.items(), start=1):
        answer = await CHANNELS[one.kind].send(
            one.settings, message(subject=subject, id=_id(number)), one.ports
        )
        assert answer.is_success, (subject, answer)
        if one.kind == "webhook":
            continue
        shown = one.subject.replace("\u2060", "").replace("\\", "")
        assert shown.startswith(seen), (subject, shown)
        assert len(shown) < 300
        assert not set(shown) & set("\r\n\0\u202e")
        if one.service:
            assert one.service.accepted[-1].mentions == ()
    if one.mail:
        for mail in one.mail.mails:
            names = [name.lower() for name in message_from_bytes(mail.raw, policy=SMTP)]
            assert names.count("subject") == 1
            assert "bcc" not in names
            assert mail.recipients == ["anna@example.org"]


async def test_a_body_that_is_cut_says_so_and_links_to_all_of_it(one: Reader) -> None:
    if one.kind in ("email", "webhook"):
        pytest.skip("it takes all of a body")
    answer = await CHANNELS[one.kind].send(one.settings, message(body="word " * 40_000), one.ports)
    assert answer.is_success
    assert one.service is not None
    accepted = one.service.accepted[-1]
    assert "The rest was cut." in one.text
    assert LINK in (accepted.link, *accepted.links) or LINK in one.text
    # no more is cut than must be
    assert len(one.text) > (900 if one.kind == "pushover" else 3_500)


def _id(number: int) -> UUID:
    return UUID(int=number)
