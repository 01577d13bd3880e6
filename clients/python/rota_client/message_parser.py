"""JSON that a person wrote → messages. A fault is told in one line, at its field."""

import difflib
import json
import struct
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeVar

import betterproto2
from betterproto2.casing import safe_snake_case

from rota_client.gen.google.protobuf import Struct

M = TypeVar("M", bound=betterproto2.Message)
_SHOWN: Final = 60  # characters of a wrong value
_BITS: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (-(2**31), 2**31 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 2**32 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 2**64 - 1)),
}


class BadJson(ValueError):
    """A text is no JSON of the message; the message is for a person."""


def parse_object(text: str) -> dict[str, Any]:
    """Parses a JSON object that a Struct can hold. Raises BadJson."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        bytes(Struct.from_dict({"": value}))
    except json.JSONDecodeError as exc:
        raise BadJson(f"no JSON at line {exc.lineno}, column {exc.colno}: {exc.msg}") from None
    except RecursionError:
        raise BadJson("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise BadJson("a text in it holds half of a surrogate pair") from None
    except BadJson:
        raise
    except (ValueError, struct.error):
        raise BadJson("a number in it is too large") from None
    if not isinstance(value, dict):
        raise BadJson("it is no object: {…}")
    return value


def parse_message(kind: type[M], text: str) -> M:
    """Parses a message from JSON with the field names of the contract.

    Raises BadJson, which names the field and what it takes, also for a field that the message
    doesn't have.
    """
    return kind.from_dict(_checked(kind, parse_object(text), ""))


def _refuse_constant(name: str) -> NoReturn:
    raise BadJson(f"no JSON: {name} is no number")


def _checked(kind: type[betterproto2.Message], given: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Returns what is given as `from_dict` reads it."""
    known = kind._betterproto  # type: ignore[arg-type]  # a property that has no type
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = safe_snake_case(key)
        meta = known.meta_by_field_name.get(name)
        if meta is None:
            raise BadJson(f"{at}{key} is no field: {_near(key, known.meta_by_field_name)}")
        if name in found:
            raise BadJson(f"{at}{name} is there twice")
        if value is None:
            continue
        inner = known.cls_by_field[name]
        if meta.map_meta is not None:
            if not isinstance(value, dict):
                _refuse(f"{at}{name}", "an object", value)
            found[name] = value
        elif meta.repeated:
            if not isinstance(value, list):
                _refuse(f"{at}{name}", "a list", value)
            found[name] = [
                _value(meta.proto_type, inner, one, f"{at}{name}[{number}]")
                for number, one in enumerate(value)
            ]
        else:
            found[name] = _value(meta.proto_type, inner, value, f"{at}{name}")
    return found


def _value(kind: str, inner: Any, value: Any, at: str) -> Any:
    match kind:
        case "double" | "float":
            if isinstance(value, bool) or not isinstance(value, int | float):
                _refuse(at, "a number", value)
        case "bool":
            if not isinstance(value, bool):
                _refuse(at, "true or false", value)
        case "string" | "bytes":
            if not isinstance(value, str):
                _refuse(at, "a text", value)
        case "message" if inner is Struct:
            if not isinstance(value, dict):
                _refuse(at, "an object", value)
        case "message" if not inner.__module__.startswith("rota_client.gen.google"):
            if not isinstance(value, dict):
                _refuse(at, "an object", value)
            return _checked(inner, value, f"{at}.")
        case _ if kind in _BITS:
            return _whole(value, *_BITS[kind], at)
    return value


def _whole(value: Any, low: int, high: int, at: str) -> int:
    whole = not isinstance(value, bool) and isinstance(value, int | float) and value % 1 == 0
    if not whole:
        _refuse(at, "a whole number", value)
    if not low <= value <= high:
        _refuse(at, f"a whole number from {low} to {high}", value)
    return int(value)


def _refuse(at: str, taken: str, value: Any) -> NoReturn:
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    raise BadJson(f"{at} takes {taken}, not {shown}")


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"is {' or '.join(near)} meant?" if near else f"there are {', '.join(known)}"
