"""Values of fields: plausible ones by name and rule, those at the boundaries, and odd ones."""

import math
from random import Random
from typing import Any, Final
from uuid import UUID

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

from tests.fuzz.stock import Stock, kind_of

F: Final = FieldDescriptor
# In every secret that is sent: no log may have it.
PLANTED: Final = "planted-3e7c9d51"
# Whatever a service may connect to is this machine's, and nothing answers there.
ADDRESSES: Final = (
    "http://127.0.0.1:1/",
    "http://127.0.0.1:1/v1",
    "https://127.0.0.1:1/hook?key=1",
    "http://[::1]:1/",
    f"http://user:{PLANTED}@127.0.0.1:1/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:1/\u202e",
    "http://[::1",
    "http://",
    "://",
    "file:///etc/passwd",
    "http:127.0.0.1",
    "",
)
ADDRESS_FIELDS: Final = frozenset({"uri", "base_url", "url"})
ODD_TEXTS: Final = (
    "",
    " ",
    "\n",
    "\x00",
    "a\x00b",
    "\x1b[31m",
    "\u200b",
    "\u202eabc",
    "\ufeff",
    "é",
    "e\u0301",
    "𝒳",
    "👩‍👩‍👧",
    "\U0010ffff",
    "\ufffe",
    "İi̇ıI",
    "ß",
    "%s%n",
    "%",
    "_%",
    "' or '1'='1",
    "\\",
    '"',
    "{{ inputs.topic }}",
    "{{ steps.s.output }}",
    "{{",
    "{% for i in range(9) %}x{% endfor %}",
    "{{ 9 ** 9 ** 9 }}",
    "../..",
    "null",
    "-1",
    "1e400",
    "NaN",
    "true",
    "<b>",
    "a,b",
    "a b",
    "A",
    "ａ",
)
WORDS: Final = ("hello", "Greeting", "a", "news", "x-1", "t", "s", "schedule", "agent_task", "demo")
IDS: Final = ("t", "s", "a", "a-1", "x" * 63, "x" * 64, "-", "a_b", "A", "1", "0", "news")
ZONES: Final = ("Europe/Paris", "UTC", "America/New_York", "Mars/Base", "EST5EDT", "", "../UTC")
FILTERS: Final = (
    "state = ACTIVE",
    "state = pending",
    "state = PENDING OR state = APPROVED",
    "state=ACTIVE AND display_name = 'x'",
    'display_name = "a AND b"',
    "outcome = FIRED",
    "create_time > '2026-01-01T00:00:00Z'",
    "create_time > 2026-W01-1T00:00:00Z",
    "slot_time >= '2026-01-01T00:00:00+14:00'",
    "NOT state = ACTIVE",
    "(state = ACTIVE",
    "state =",
    "= ACTIVE",
    "state = ACTIVE AND",
    "AND",
    "'",
    '"',
    "((((((((((state = ACTIVE))))))))))",
    "state = state",
    "colour = red",
    "state != ACTIVE",
    "state : ACTIVE",
    "event_type = run.failed",
    "turn = x",
    "action_type = automation_create",
)
_TEXT_SIZES: Final = (35, 63, 64, 100, 200, 300, 400, 500, 1000, 2000, 8000, 100_000)


def rules_of(field: FieldDescriptor) -> Any:
    options: Any = field.GetOptions()
    return options.Extensions[validate_pb2.field]


def a_uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


def a_name(kind: str, dice: Random, stock: Stock, wild: float) -> str:
    """Mostly one that exists; else one that does not, of another kind, or no name."""
    found = stock.pick(kind)
    if found is None or dice.random() < wild:
        match dice.randrange(6):
            case 0:
                return f"{stock.pick('workspaces')}/{kind}/{a_uuid(dice)}"
            case 1:
                return stock.pick_any_name()
            case 2:
                return f"{stock.pick_any_name()}{dice.choice(ODD_TEXTS)}"
            case 3:
                return dice.choice(ODD_TEXTS)
            case 4:
                return (
                    "workspaces/" + dice.choice(("-", "*", "..", "x" * 64, "W", "é")) + f"/{kind}/x"
                )
            case _:
                return f"{stock.pick_any_name()}/{dice.choice(IDS)}"
    return str(found)


def a_text(field: FieldDescriptor, dice: Random, stock: Stock, wild: float) -> str:
    name, rules = field.name, rules_of(field).string
    if name in ADDRESS_FIELDS:
        return dice.choice(ADDRESSES[:2] if dice.random() > wild else ADDRESSES)
    if name == "api_key" and dice.random() > wild / 2:
        return f"sk-{PLANTED}-{dice.randrange(10**6)}"
    if dice.random() < wild:
        return odd_text(dice, int(rules.max_len))
    if "workspaces/" in rules.pattern:
        return a_name(kind_of(rules.pattern), dice, stock, wild)
    if rules.uuid:
        return _a_request_id(dice, stock)
    in_ = list(getattr(rules, "in"))
    if in_:
        return str(dice.choice(in_))
    return _by_name(name, dice, stock) or dice.choice((*WORDS, *ODD_TEXTS))


def odd_text(dice: Random, limit: int) -> str:
    if dice.random() < 0.6:
        return dice.choice(ODD_TEXTS)
    size = max(0, (limit or dice.choice(_TEXT_SIZES)) + dice.choice((-1, 0, 1)))
    letter = dice.choice(("x", "é", "👩", " ", "{", "\x00", "\u200b"))
    return letter * size


def a_number(field: FieldDescriptor, dice: Random, stock: Stock, wild: float) -> int:
    small = field.cpp_type in (F.CPPTYPE_INT32, F.CPPTYPE_UINT32)
    signed = field.cpp_type in (F.CPPTYPE_INT32, F.CPPTYPE_INT64)
    bits = 32 if small else 64
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if dice.random() > wild:
        if field.name == "model_config_id":
            return int(dice.choice((0, 0, -1, stock.pick("models") or 0)))
        return int(dice.choice((0, 1, 1, 2, 3, 10, 100, 1000)))
    rules = rules_of(field).int32
    edges = [int(rules.gte), int(rules.lte), int(rules.gt)]
    near = [edge + step for edge in edges for step in (-1, 0, 1)]
    found: int = dice.choice([least, most, -1, 0, 1, 1 << 31, dice.randrange(least, most), *near])
    return int(min(max(found, least), most))


def a_double(dice: Random, wild: float) -> float:
    if dice.random() > wild:
        return dice.choice((0.5, 1.0, 2.0, 100.0))
    return dice.choice((0.0, -0.0, -1.0, 1e308, 5e-324, math.inf, -math.inf, math.nan, 2.0000001))


def some_bytes(dice: Random) -> bytes:
    size = dice.choice((0, 1, 10, 1000, 70_000))
    return dice.randbytes(size) if dice.random() < 0.5 else b"\x89PNG\r\n\x1a\n" + bytes(size)


def a_moment(dice: Random, wild: float) -> tuple[int, int]:
    """Seconds and nanoseconds of a time, mostly of these years."""
    if dice.random() > wild:
        return dice.choice((1_795_420_800, 1_800_000_000, 2_051_222_400, 1_577_836_800)), 0
    seconds = dice.choice(
        (0, -1, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 2**63 - 1)
    )
    return seconds, dice.choice((0, 1, 999_999_999, 10**9, -1, 2**31 - 1))


def _a_request_id(dice: Random, stock: Stock) -> str:
    """Mostly a new one; at times one that was used before, with whatever body."""
    used = stock.pick("request_ids")
    if used and dice.random() < 0.15:
        return str(used) if dice.random() < 0.5 else str(used).upper()
    return a_uuid(dice)


def _by_name(name: str, dice: Random, stock: Stock) -> str:
    match name:
        case "etag":
            return str(dice.choice(("", "", "", stock.pick("etags") or "", "stale")))
        case "payload_digest":
            return str(stock.pick("digests") or "0" * 64)
        case "page_token":
            return str(dice.choice(("", "", "", stock.pick("page_tokens") or "", "AAAA", "x")))
        case "filter":
            return dice.choice(("", *FILTERS))
        case "time_zone":
            return dice.choice(ZONES)
        case "locale":
            return dice.choice(("en", "de-CH", "x", "ar"))
        case "type":
            return dice.choice(("schedule", "schedule", "schedule", "x"))
        case "action":
            return dice.choice(("agent_task", "agent_task", "store", "x"))
        case "model" | "reasoning_effort":
            return dice.choice(("demo", "low", "x"))
        case "text":
            return dice.choice(("hello", "every weekday at 9 in Paris summarise the news", "x"))
        case _ if name.endswith("_id"):
            return dice.choice(IDS)
    return ""
