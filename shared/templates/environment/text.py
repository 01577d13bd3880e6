"""How a template writes a value: a text as it is, null as nothing, and any other as JSON."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from jinja2 import Undefined

from shared.templates.environment.lists import Row
from shared.templates.faults import TemplateFault
from shared.templates.sizes import materialize, measure

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=lambda v: _part(v))


def write_text(value: Any) -> str:
    """Returns a value as a template writes it. Raises TemplateFault for what JSON has not."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return encode_json(value)


class _Shown(str):
    """The text of a value, which `%r` writes as JSON."""

    value: Any

    def __repr__(self) -> str:
        return encode_json(self.value)


def show_values(pattern: str, values: Any) -> Any:
    """Returns what a `%` writes into a pattern, each value as a template writes it.

    An object has a value for each name of the pattern, or is one value; so is a list.
    """
    if isinstance(values, Row | tuple):
        return tuple(map(_show_value, values))
    if isinstance(values, Mapping) and "%(" in pattern:
        return {key: _show_value(value) for key, value in values.items()}
    return _show_value(values)


def _show_value(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    shown = _Shown(write_text(value))
    shown.value = value
    return shown


def write_moment(value: datetime) -> str:
    """Returns RFC 3339 with a T, and with Z for UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value.isoformat().replace("+00:00", "Z")


def encode_json(value: Any, *, indent: int | str | None = None) -> str:
    """Returns the JSON of a value, in its own letters. Raises TemplateFault."""
    if isinstance(value, Iterator):
        value = materialize(value)
    measure(value)
    encoder = _ENCODE
    if indent is not None:
        encoder = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, default=_part, indent=indent
        )
    try:
        return encoder.encode(value)
    except TemplateFault:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        long = "digits" in str(error)
        told = "a number has too many digits" if long else "this can't be written as JSON"
        raise TemplateFault(told, values=(value,)) from error


def read_plain(value: Any) -> Any:
    """Returns a value as JSON has it: a list for what gives items, None for nothing."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Undefined):
        return None
    return json.loads(encode_json(value))


def _part(value: Any) -> Any:
    if isinstance(value, Undefined):
        return None
    if isinstance(value, datetime | date):
        return write_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes) and not callable(value):
        return materialize(value) if isinstance(value, Iterator) else list(value)
    raise TemplateFault("this can't be written", values=(value,))
