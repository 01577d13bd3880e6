"""The wait that a provider asks for: in the headers of a refusal, or in its words."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

LONGEST_WAIT: Final = timedelta(hours=1)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
# "1m26.4s", "120ms", "6m0s"
_SPAN: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.I)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.I)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_RESETS: Final = re.compile(r"^x-ratelimit-reset(?:-(?:requests|tokens|after))?$")
# a number of seconds above is a Unix time
_LONGEST_SPAN: Final = timedelta(seconds=1e8)
_MOST_SECONDS: Final = 1e12
_MEMBERS: Final = ("retry_after", "retryAfter", "retry_after_ms", "retryDelay", "retry_delay")
_WORDS: Final = re.compile(
    r"(?:try again|retry|please wait|wait|available again)\b[^.\d]{0,40}?"
    r"(?P<number>\d+(?:\.\d+)?)\s*"
    r"(?P<unit>milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|s|m|h)\b"
    r"|(?:try again|retry)\b[^.\d]{0,40}?(?P<span>(?:\d+(?:\.\d+)?(?:ms|s|m|h))+)",
    re.I,
)
_READ: Final = 2_000  # characters of words


def read_wait(
    headers: Mapping[str, str], body: Any, text: str, *, limited: bool
) -> timedelta | None:
    """Returns the wait, up to LONGEST_WAIT; None if nothing names one.

    `retry-after-ms` and `retry-after` count before members of the error, those before its words,
    and those before the resets of rate limits, of which the longest that is spent counts. Resets
    count only if the rate is `limited`.
    """
    resets = [_reset(headers)] if limited else []
    for found in (*_asked(headers), *_members(body), _said(text), *resets):
        if found is not None:
            return min(max(found, timedelta(0)), LONGEST_WAIT)
    return None


def _asked(headers: Mapping[str, str]) -> Iterator[timedelta | None]:
    yield _seconds(headers.get("retry-after-ms", ""), 0.001)
    told = headers.get("retry-after", "")
    yield _span(told)
    try:
        yield parsedate_to_datetime(told) - datetime.now(UTC)
    except (ValueError, TypeError):
        yield None


def _members(body: Any, depth: int = 0) -> Iterator[timedelta | None]:
    """Yields the waits of an error's members; Google has them in `details`."""
    if depth > 4:
        return
    if isinstance(body, Mapping):
        for name in _MEMBERS:
            value = body.get(name)
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                yield _seconds(value, 0.001) if name.endswith("_ms") else _span(value)
    inner = body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ()
    for one in list(inner)[:20]:
        yield from _members(one, depth + 1)


def _said(text: str) -> timedelta | None:
    found = _WORDS.search(text[:_READ])
    if found is None:
        return None
    if found["span"]:
        return _span(found["span"])
    unit = found["unit"].lower()
    short = "ms" if unit.startswith(("ms", "milli")) else unit[0]
    return _seconds(found["number"], _UNITS[short])


def _reset(headers: Mapping[str, str]) -> timedelta | None:
    """Returns the longest reset of a limit that is spent."""
    found: list[timedelta] = []
    for name, value in headers.items():
        if not _RESETS.match(name.lower()):
            continue
        left = headers.get(name.lower().replace("-reset", "-remaining"), "0")
        if _NUMBER.fullmatch(left.strip()) and float(left) > 0:
            continue
        span = _span(value)
        if span is None or span > _LONGEST_SPAN:
            span = _until(value)
        if span is not None:
            found.append(span)
    return max(found, default=None)


def _span(value: Any) -> timedelta | None:
    text = str(value).strip()
    if _SPAN.fullmatch(text):
        return _seconds(sum(float(n) * _UNITS[u.lower()] for n, u in _PART.findall(text)), 1.0)
    return _seconds(text, 1.0)


def _until(value: str) -> timedelta | None:
    """Reads a moment: a Unix time in seconds or milliseconds, or RFC 3339."""
    text = value.strip()
    try:
        if _NUMBER.fullmatch(text):
            told = float(text)
            at = datetime.fromtimestamp(told / 1000 if told > 1e11 else told, UTC)
        else:
            at = datetime.fromisoformat(text)
        return at - datetime.now(UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _seconds(value: Any, unit: float) -> timedelta | None:
    text = str(value).strip()
    if not re.fullmatch(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text, re.I):
        return None
    found = float(text) * unit
    return timedelta(seconds=found) if abs(found) < _MOST_SECONDS else None
