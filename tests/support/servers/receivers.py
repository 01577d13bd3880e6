"""A receiver for each kind of destination: strict as the real service is, and it counts.

    async with receivers("slack") as slack:
        ...  # a destination of kind `slack` with `slack.settings`
        assert len(slack.accepted) == 1

`fail_next` answers with an error, `lose_next` takes a message and closes without an answer.
"""

import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from tests.support.servers.receiver import Received, Receiver, receiver

# Of mail there is tests/support/servers/smtp_server.py.
KINDS: Final = (
    "slack", "discord", "teams", "telegram", "matrix", "ntfy", "pushover", "webhook",
)  # fmt: skip
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BOT_TOKEN: Final = "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message as its reader has it.

    `key` is what a service tells repeats by, empty where it has none. `markup` is `text` before
    it was read. `links` and `mentions` are what the service makes of it, `images` what it loads.
    """

    subject: str
    text: str
    markup: str
    key: str = ""
    link: str = ""
    links: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        check(self.headers["content-type"].startswith("application/json"), 415)
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused(400, b"invalid_payload") from None


class Refused(Exception):
    """The service does not take a request."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def check(right: bool, status: int = 400, body: bytes = b"") -> None:
    if not right:
        raise Refused(status, body)


Take = Callable[["ServiceReceiver", Call], tuple[Accepted, int, bytes]]


@dataclass(slots=True, kw_only=True)
class ServiceReceiver:
    """`calls` are all requests, `accepted` the messages that a reader sees."""

    kind: str
    url: str
    settings: dict[str, Any]
    take: Take
    calls: list[Call] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    # by the key of services that know repeats: Matrix, ntfy and webhooks
    keys: set[str] = field(default_factory=set)
    failures: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    lost: int = 0

    def fail_next(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failures.append((status, named, body))

    def lose_next(self, count: int = 1) -> None:
        self.lost += count

    def answer(self, call: Call) -> bytes:
        self.calls.append(call)
        if self.failures:
            status, headers, body = self.failures.popleft()
            return respond(status, body, headers)
        try:
            accepted, status, body = self.take(self, call)
        except Refused as refused:
            self.refused.append(refused)
            return respond(refused.status, refused.body, {})
        if not accepted.key or accepted.key not in self.keys:
            self.accepted.append(accepted)
        self.keys.add(accepted.key)
        if self.lost:
            self.lost -= 1
            return b""
        return respond(status, body, {})


def respond(status: int, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def receivers(kind: str) -> AsyncIterator[ServiceReceiver]:
    """A service of one kind on loopback."""
    async with receiver() as endpoint:
        base = endpoint.url.partition("/hook")[0]
        settings, take = _KINDS[kind]
        made = ServiceReceiver(kind=kind, url=base, settings=settings(base), take=take)
        _serve(endpoint, made)
        yield made


def _serve(endpoint: Receiver, made: ServiceReceiver) -> None:
    def answers(one: Any) -> bytes:
        split = urlsplit(one.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        return made.answer(Call(one.method, split.path, query, one.headers, one.body))

    endpoint.answers = answers


# Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks


def _take_slack(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    check(call.method == "POST", 405)
    check(re.fullmatch(r"/services/T\w+/B\w+/\w+", call.path) is not None, 404, b"no_service")
    payload = call.json
    check(isinstance(payload, dict), 400, b"invalid_payload")
    known = {"text", "mrkdwn", "unfurl_links", "unfurl_media"}
    check(set(payload) <= known, 400, b"invalid_payload")
    text = payload.get("text")
    check(isinstance(text, str) and bool(text.strip()), 400, b"no_text")
    # Slack would make several messages of it.
    check(len(text) <= 4_000, 400, b"msg_too_long")
    links, mentions = [], []

    def read(found: re.Match[str]) -> str:
        inner = found[1]
        if inner.startswith(("!", "@", "#")):
            mentions.append(inner)
            return inner
        url, _, shown = inner.partition("|")
        check(url.startswith(("http://", "https://")), 400, b"invalid_payload")
        links.append(_unescape(url))
        return shown or url

    plain = re.sub(r"<([^<>]*)>", read, text)
    check("<" not in plain and ">" not in plain, 400, b"invalid_payload")
    check(not re.search(r"&(?!(?:amp|lt|gt);)", plain), 400, b"invalid_payload")
    subject, _, rest = _unescape(plain).partition("\n")
    images = tuple(links) if payload.get("unfurl_links", True) else ()
    accepted = Accepted(
        subject=subject.strip("*"),
        text=rest.strip(),
        markup=text,
        links=tuple(links),
        mentions=tuple(mentions),
        images=images,
        payload=payload,
    )
    return accepted, 200, b"ok"


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


# Discord: https://docs.discord.com/developers/resources/webhook#execute-webhook


def _take_discord(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    known = re.fullmatch(r"/api/webhooks/\d+/[\w-]+", call.path)
    check(known is not None, 404, b'{"message": "Unknown Webhook", "code": 10015}')
    check(call.method == "POST", 405)
    payload = call.json
    invalid = b'{"message": "Invalid Form Body", "code": 50035}'
    check(set(payload) <= {"content", "embeds", "allowed_mentions", "flags"}, 400, invalid)
    [embed] = payload["embeds"]
    check(set(embed) <= {"title", "description", "url", "timestamp"}, 400, invalid)
    title, description = embed["title"], embed.get("description", "")
    check(0 < _utf16(title) <= 256 and _utf16(description) <= 4_096, 400, invalid)
    check(_utf16(title) + _utf16(description) <= 6_000, 400, invalid)
    check(embed.get("url", "https://x").startswith(("http://", "https://")), 400, invalid)
    content = payload.get("content", "")
    parse = payload.get("allowed_mentions", {"parse": ["everyone"]})["parse"]
    mentions = re.findall(r"@everyone|@here|<@[!&]?\d+>", content) if parse else []
    # An escaped bracket makes no link.
    links = re.findall(r"(?<!\\)\]\((\S+?)\)", description)
    accepted = Accepted(
        subject=re.sub(r"\\(.)", r"\1", title),
        text=re.sub(r"\\([^\w\s])", r"\1", description),
        markup=description,
        link=embed.get("url", ""),
        links=tuple(links),
        mentions=tuple(mentions),
        # what Discord would load: only addresses in content
        images=tuple(re.findall(r"https?://\S+", content)),
        payload=payload,
    )
    wait = call.query.get("wait") == "true"
    return accepted, 200 if wait else 204, b'{"id": "1", "type": 0}' if wait else b""


# Teams: a workflow with the trigger "When a Teams webhook request is received"

_CARD_TEXT: Final = {"type", "text", "weight", "size", "wrap", "fontType"}


def _take_teams(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    known = re.fullmatch(r"/workflows/\w+/triggers/manual/paths/invoke", call.path)
    check(known is not None, 404)
    check({"api-version", "sig"} <= set(call.query), 401)
    check(call.method == "POST", 405)
    # 28 KB, counted as UTF-16
    check(2 * _utf16(call.body.decode()) <= 28 * 1024, 413)
    payload = call.json
    check(payload.get("type") == "message")
    [attachment] = payload["attachments"]
    check(attachment["contentType"] == "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    check(card["type"] == "AdaptiveCard" and card["version"] in ("1.2", "1.3", "1.4", "1.5"))
    for block in card["body"]:
        check(block["type"] == "TextBlock" and set(block) <= _CARD_TEXT and bool(block["text"]))
    for action in card.get("actions", []):
        check(action["type"] == "Action.OpenUrl" and action["url"].startswith("http"))
    texts = [block["text"] for block in card["body"]]
    markup = "\n".join(texts[1:])
    accepted = Accepted(
        subject=re.sub(r"\\(.)", r"\1", texts[0]),
        text=re.sub(r"\\([^\w\s])", r"\1", markup),
        markup=markup,
        link=card["actions"][0]["url"] if card.get("actions") else "",
        links=tuple(re.findall(r"(?<!\\)\]\((\S+?)\)", markup)),
        mentions=tuple(str(one) for one in card.get("msteams", {}).get("entities", [])),
        images=tuple(re.findall(r"(?<!\\)!\[", markup)),
        payload=payload,
    )
    return accepted, 202, b""


# Telegram: https://core.telegram.org/bots/api#sendmessage and #html-style


class _TelegramReader(HTMLParser):
    TAGS: Final = frozenset(
        [
            "b",
            "strong",
            "i",
            "em",
            "u",
            "ins",
            "s",
            "strike",
            "del",
            "a",
            "code",
            "pre",
            "blockquote",
        ]
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.need(tag in self.TAGS)
        # https://core.telegram.org/bots/api#formatting-options: what may stand in what
        self.need(not {"code", "pre"} & set(self.open))
        self.need(tag not in ("code", "pre") or not set(self.open) - {"blockquote"})
        self.need(tag != "blockquote" or "blockquote" not in self.open)
        self.need(not attrs if tag != "a" else [name for name, _ in attrs] == ["href"])
        if tag == "a":
            self.need("a" not in self.open)
            self.links.append(str(attrs[0][1]))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.need(bool(self.open) and self.open.pop() == tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def need(self, right: bool) -> None:
        check(right, 400, _telegram(400, "Bad Request: can't parse entities"))


def _telegram(code: int, description: str) -> bytes:
    return json.dumps({"ok": False, "error_code": code, "description": description}).encode()


def _take_telegram(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    known = call.path == f"/bot{BOT_TOKEN}/sendMessage"
    check(known, 404, _telegram(404, "Not Found"))
    payload = call.json
    check(payload["chat_id"] == "-100123", 400, _telegram(400, "Bad Request: chat not found"))
    check(payload.get("parse_mode") == "HTML", 400, b"")
    text = payload["text"]
    invalid = _telegram(400, "Bad Request: can't parse entities")
    check(not re.search(r"&(?!(?:lt|gt|amp|quot|#\d+);)", text), 400, invalid)
    # the parser of HTML forgives what Telegram does not
    check(not re.search(r"<(?!/?[a-z]+(?: href=\"[^\"<>]*\")?>)", text), 400, invalid)
    reader = _TelegramReader()
    reader.feed(text)
    reader.close()
    reader.need(not reader.open)
    size = _utf16(reader.text.strip())
    check(size > 0, 400, _telegram(400, "Bad Request: message text is empty"))
    check(size <= 4_096, 400, _telegram(400, "Bad Request: message is too long"))
    previews = not payload.get("link_preview_options", {}).get("is_disabled")
    subject, _, rest = reader.text.partition("\n")
    accepted = Accepted(
        subject=subject,
        text=rest.strip(),
        markup=text,
        links=tuple(reader.links),
        mentions=tuple(re.findall(r"(?<![\w/])[@/][A-Za-z]\w{3,}", reader.text)),
        images=tuple(reader.links) if previews else (),
        payload=payload,
    )
    return accepted, 200, b'{"ok": true, "result": {"message_id": 7}}'


# Matrix: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid


class _MatrixReader(HTMLParser):
    TAGS: Final = frozenset(
        [
            "del",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "blockquote",
            "p",
            "a",
            "ul",
            "ol",
            "sup",
            "sub",
            "li",
            "b",
            "i",
            "u",
            "strong",
            "em",
            "s",
            "code",
            "hr",
            "br",
            "div",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "caption",
            "pre",
            "span",
            "details",
            "summary",
        ]
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        check(tag in self.TAGS, 400, b'{"errcode": "M_BAD_JSON"}')
        allowed = {"a": {"href", "target"}, "ol": {"start"}, "code": {"class"}}
        names = {name for name, _ in attrs}
        check(names <= allowed.get(tag, set()), 400, b'{"errcode": "M_BAD_JSON"}')
        self.links += [str(value) for name, value in attrs if name == "href"]


def _take_matrix(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    check(call.headers.get("authorization") == "Bearer syt_secret", 401,
          b'{"errcode": "M_UNKNOWN_TOKEN", "error": "no"}')  # fmt: skip
    path = r"/_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([^/]+)"
    found = re.fullmatch(path, call.path)
    check(found is not None and call.method == "PUT", 404, b'{"errcode": "M_UNRECOGNIZED"}')
    assert found is not None
    check(unquote(found[1]) == "!room:example.org", 403, b'{"errcode": "M_FORBIDDEN"}')
    payload = call.json
    # an event has 65,536 bytes, with what the server adds
    check(len(call.body) <= 65_536 - 1_500, 413, b'{"errcode": "M_TOO_LARGE"}')
    check(payload["msgtype"] in ("m.text", "m.notice"), 400, b'{"errcode": "M_BAD_JSON"}')
    check(payload["format"] == "org.matrix.custom.html", 400, b'{"errcode": "M_BAD_JSON"}')
    reader = _MatrixReader()
    reader.feed(payload["formatted_body"])
    reader.close()
    body = payload["body"]
    mentions = payload.get("m.mentions")
    subject, _, rest = body.partition("\n")
    accepted = Accepted(
        subject=subject,
        text=rest.strip(),
        markup=payload["formatted_body"],
        key=found[2],
        links=tuple(reader.links),
        # without the field a server looks for names in the body
        mentions=("@room",) if mentions is None else tuple(mentions.get("user_ids", ())),
        payload=payload,
    )
    return accepted, 200, json.dumps({"event_id": f"${found[2]}"}).encode()


# ntfy: https://docs.ntfy.sh/publish/#publish-as-json


def _take_ntfy(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    check(call.method in ("POST", "PUT") and call.path == "/", 404, b'{"code":40401,"http":404}')
    payload = call.json
    known = {"topic", "title", "message", "click", "markdown", "sequence_id", "priority", "tags"}
    check(set(payload) <= known, 400, b'{"code":40017,"http":400}')
    check(payload["topic"] == "rota_topic", 403, b'{"code":40301,"http":403}')
    token = call.headers.get("authorization")
    check(token == "Bearer tk_secret", 401, b'{"code":40101,"http":401}')
    message = payload["message"]
    # a longer one would become an attachment
    check(0 < len(message.encode()) <= 4_096, 413, b'{"code":41301,"http":413}')
    check(re.fullmatch(r"[-_A-Za-z0-9]{1,64}", payload["sequence_id"]) is not None)
    images = re.findall(r"!\[", message) if payload.get("markdown") else []
    accepted = Accepted(
        subject=payload["title"],
        text=message,
        markup=message,
        key=payload["sequence_id"],
        link=payload.get("click", ""),
        images=tuple(images),
        payload=payload,
    )
    return accepted, 200, b'{"id":"hwQ2YpKdmg","event":"message"}'


# Pushover: https://pushover.net/api


def _take_pushover(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    check(call.method == "POST" and call.path == "/1/messages.json", 404)
    check(call.headers["content-type"] == "application/x-www-form-urlencoded", 400)
    form = {name: value[0] for name, value in parse_qs(call.body.decode()).items()}

    def need(right: bool, fault: str) -> None:
        said = {fault: "invalid", "errors": [f"{fault} is invalid"], "status": 0}
        check(right, 400, json.dumps(said).encode())

    need(form.get("token") == "a" * 30, "token")
    need(form.get("user") == "u" * 30, "user")
    need(0 < len(form.get("message", "")) <= 1_024, "message")
    need(len(form.get("title", "")) <= 250, "title")
    need(len(form.get("url", "")) <= 512 and len(form.get("url_title", "")) <= 100, "url")
    known = {"token", "user", "message", "title", "timestamp", "url", "url_title", "device"}
    need(set(form) <= known, "form")
    accepted = Accepted(
        subject=form["title"],
        text=form["message"],
        markup=form["message"],
        link=form.get("url", ""),
        payload=form,
    )
    return accepted, 200, b'{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}'


# Webhooks: https://www.standardwebhooks.com


def _take_webhook(to: ServiceReceiver, call: Call) -> tuple[Accepted, int, bytes]:
    received = Received(path=call.path, headers=call.headers, body=call.body, method=call.method)
    check(call.method == "POST" and received.is_signed_by(SECRET), 401)
    payload = call.json
    check(set(payload) == {"type", "timestamp", "data"})
    data = payload["data"]
    accepted = Accepted(
        subject=data["subject"],
        text=data["body"],
        markup=data["body"],
        key=received.id,
        link=data.get("link", ""),
        payload=payload,
    )
    return accepted, 204, b""


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


_KINDS: Final[dict[str, tuple[Callable[[str], dict[str, Any]], Take]]] = {
    "slack": (lambda base: {"webhook_url": f"{base}/services/T0/B0/secret"}, _take_slack),
    "discord": (lambda base: {"webhook_url": f"{base}/api/webhooks/12/secret"}, _take_discord),
    "teams": (
        lambda base: {
            "webhook_url": f"{base}/workflows/abc/triggers/manual/paths/invoke"
            "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=secret"
        },
        _take_teams,
    ),
    "telegram": (
        lambda base: {"server": base, "bot_token": BOT_TOKEN, "chat_id": "-100123"},
        _take_telegram,
    ),
    "matrix": (
        lambda base: {
            "homeserver": base,
            "room_id": "!room:example.org",
            "access_token": "syt_secret",
        },
        _take_matrix,
    ),
    "ntfy": (
        lambda base: {"server": base, "topic": "rota_topic", "access_token": "tk_secret"},
        _take_ntfy,
    ),
    "pushover": (
        lambda base: {"server": base, "app_token": "a" * 30, "user_key": "u" * 30},
        _take_pushover,
    ),
    "webhook": (lambda base: {"uri": f"{base}/hook?team=7", "secrets": [SECRET]}, _take_webhook),
}
