"""JSON, paths and headers as no client of ours writes them."""

import json
from random import Random
from typing import Any, Final

from tests.fuzz import open_json
from tests.fuzz.values import ODD_TEXTS, PLANTED

_ODD: Final = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"{}{}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": "\\ud800"}',
    b'{"a": 1,}',
    b"{'a': 1}",
    b"[" * 200 + b"]" * 200,
    b'{"a":' * 40 + b"1" + b"}" * 40,
)
_PARTS: Final = (
    "%ff",
    "%2F",
    "%00",
    "..",
    ".",
    "%2e%2e",
    "",
    "-",
    "*",
    "%",
    "%3Aresume",
    ":x",
    "é",
)
_QUERIES: Final = (
    "validate_only",
    "validate_only=maybe",
    "page_size=x",
    "page_size=1&page_size=2",
    "name=workspaces/x",
    "nothing=1",
    "a.b.c=1",
    "%ff=%ff",
    "=",
    "&&",
    "$alt=sse",
)
_VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND")
_HEADERS: Final = (
    ("content-type", "text/xml"),
    ("content-type", "application/json; charset=latin-1"),
    ("content-encoding", "gzip"),
    ("accept", "text/event-stream"),
    ("accept-encoding", "br;q=x"),
    ("if-match", '"stale"'),
    ("if-match", "*"),
    ("if-none-match", "*"),
    ("last-event-id", "x"),
    ("last-event-id", "99999999999999999999"),
    ("grpc-timeout", "x"),
    ("x-api-key", PLANTED),
)


def odd_verb(verb: str, dice: Random) -> str:
    return dice.choice(_VERBS) if dice.random() < 0.1 else verb


def odd_headers(dice: Random) -> dict[str, str]:
    return dict([dice.choice(_HEADERS)]) if dice.random() < 0.3 else {}


def broken_text(said: bytes, dice: Random) -> bytes:
    """The body cut, with a key twice, with an unknown key or another type at any depth, or odd."""
    if not said or dice.random() < 0.2:
        return dice.choice(_ODD) if said else said
    match dice.randrange(5):
        case 0:
            return said[: dice.randrange(len(said))]
        case 1:
            return said.replace(b"{", b'{"nothing": 1, ', 1) if len(said) > 2 else b'{"nothing": 1}'
        case 2:
            return _doubled(said, dice)
        case _:
            made: Any = json.loads(said)
            for _ in range(dice.choice((1, 1, 3))):
                made = open_json.changed(made, dice)
            return json.dumps(made, ensure_ascii=dice.random() < 0.5).encode(errors="surrogatepass")


def broken_path(path: str, query: str, dice: Random) -> tuple[str, str]:
    if dice.random() < 0.3:
        parts = path.split("/")
        parts[dice.randrange(2, len(parts))] = dice.choice(_PARTS)
        path = "/".join(parts)
    if dice.random() < 0.3:
        query = "&".join(filter(None, (query, dice.choice(_QUERIES))))
    return path, query


def _doubled(said: bytes, dice: Random) -> bytes:
    """The first key of an object a second time, with another value."""
    found: Any = json.loads(said)
    if not isinstance(found, dict) or not found:
        return said
    key = json.dumps(next(iter(found)))
    return f"{{{key}: {json.dumps(dice.choice(ODD_TEXTS))}, ".encode() + said[1:]
