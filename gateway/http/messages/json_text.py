"""The text of a JSON body as plain values, without what a lenient parser lets pass."""

import json
import re
from collections import Counter
from typing import Any, Final, NoReturn

# The values of a body, each object, list and what is in them: a service takes 20,000 fields, and as
# many values in open objects.
MOST_VALUES: Final = 40_000
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# The largest double has 309 digits before its point.
LONGEST_NUMBER: Final = 400


class JsonError(ValueError):
    """The text is no JSON; the message says what is wrong and where."""


class _LongNumber(ValueError):
    def __init__(self, digits: str) -> None:
        super().__init__(digits)
        self.digits = digits


class DoubledObject(dict[str, Any]):
    """An object in which `names` stand more than once."""

    names: tuple[str, ...] = ()


def parse(body: bytes) -> Any:
    """Returns the value; an object that names a member twice is a DoubledObject. A number that is
    too large for a double is infinite.

    Raises JsonError for what is no UTF-8, begins with a byte order mark, holds NaN, or has more
    than MOST_VALUES values.
    """
    if not body.strip(b" \t\r\n"):
        raise JsonError("the body is empty; write a JSON object, {} for none of its fields")
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise JsonError("the body begins with a byte order mark; write UTF-8 without one")
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise JsonError(f"the body is not UTF-8 at byte {exc.start}") from None
    _bound(text)
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno}, column {exc.colno}"
        raise JsonError(f"the body is not JSON at {where}: {_told(exc.msg)}") from None
    except _LongNumber as exc:
        # So many digits hardly stand twice.
        at = json.JSONDecodeError("", text, text.index(exc.digits))
        where = f"line {at.lineno}, column {at.colno}"
        said = f"the body has a number of more than {LONGEST_NUMBER} digits at {where}"
        raise JsonError(said) from None
    except RecursionError:
        raise JsonError("the body nests too deeply") from None


def _bound(text: str) -> None:
    """Refuses too many values before they are parsed: each opens with a mark or follows one."""
    if _count_marks(text) <= MOST_VALUES:
        return
    # A value has two strings at most, its name and itself. So many are costly to look for.
    strings = text.count('"') - text.count(r"\"")
    if strings > 4 * MOST_VALUES or _count_marks(_STRING.sub("", text)) > MOST_VALUES:
        raise JsonError(f"the body has more than {MOST_VALUES:,} values")


def _count_marks(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = DoubledObject(found)
    counts = Counter(name for name, _ in pairs)
    doubled.names = tuple(name for name, times in counts.items() if times > 1)
    return doubled


def _constant(name: str) -> NoReturn:
    raise JsonError(f"the body is not JSON: {name} is no number of JSON")


def _integer(digits: str) -> int:
    _bound_digits(digits)
    return int(digits)


def _float(digits: str) -> float:
    _bound_digits(digits)
    return float(digits)


def _bound_digits(digits: str) -> None:
    if len(digits) > LONGEST_NUMBER:
        raise _LongNumber(digits)


def _told(message: str) -> str:
    return message[:1].lower() + message[1:]
