"""The query of a request as fields of its message."""

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.http.bindings.contract import WHOLE_BODY, Binding
from gateway.http.messages.message_reader import MessageReader, put_well_known
from gateway.http.messages.names import fields_of, nearest
from gateway.http.messages.scalar import WELL_KNOWN, WrongValue, read_well_known, read_word

LONGEST: Final = 32_768
MOST_PARAMETERS: Final = 200
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class BadQuery(ValueError):
    """The query can't be read at all; the message says why."""


def read(reader: MessageReader, message: Any, query: bytes, binding: Binding) -> None:
    """Sets the fields that the query gives, and adds what is wrong to the reader's violations.

    Raises BadQuery for bytes that are no query.
    """
    given: dict[str, list[str | None]] = {}
    for name, value in _split(query):
        given.setdefault(name, []).append(value)
    seen: dict[str, str] = {}
    for name, values in given.items():
        path = _find(reader, message.DESCRIPTOR, name, binding)
        if path is None:
            continue
        proto_name = ".".join(one.name for one in path)
        if proto_name in seen:
            reader.add(name, f"is the same field as {seen[proto_name]}", "DUPLICATE_FIELD")
            continue
        seen[proto_name] = name
        _set(reader, message, path, name, values)


def _split(query: bytes) -> list[tuple[str, str | None]]:
    """Returns names and values; a value is None for a name without `=`."""
    if len(query) > LONGEST:
        raise BadQuery(f"the query is longer than {LONGEST} bytes")
    parts = [part for part in query.split(b"&") if part]
    if len(parts) > MOST_PARAMETERS:
        raise BadQuery(f"the query has more than {MOST_PARAMETERS} parameters")
    found: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = part.partition(b"=")
        found.append((_decode(name), _decode(value) if equals else None))
    return found


def _decode(raw: bytes) -> str:
    pieces = raw.split(b"%")[1:]
    if not all(len(piece) >= 2 and set(piece[:2]) <= _HEX for piece in pieces):
        raise BadQuery("the query has a % without two hexadecimal digits after it; write %25")
    try:
        # A blank, as browsers and curl write it.
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise BadQuery("the query is not UTF-8") from None


def _find(
    reader: MessageReader, kind: Descriptor, name: str, binding: Binding
) -> list[FieldDescriptor] | None:
    """The fields from the request to the one that is named, or a violation."""
    path: list[FieldDescriptor] = []
    at: Descriptor | None = kind
    for part in name.split("."):
        found = fields_of(at).get(part) if at is not None else None
        if found is None:
            meant = nearest(kind, name) if at is kind else ""
            hint = f"; did you mean {meant}?" if meant else ""
            reader.add(name[:200], f"is not a parameter of this call{hint}", "UNKNOWN_FIELD")
            return None
        path.append(found)
        at = None if found.is_repeated else found.message_type
    proto_name = ".".join(one.name for one in path)
    if proto_name in binding.bound:
        reader.add(name, "stands in the path; leave it out of the query", "DUPLICATE_FIELD")
    elif binding.body == WHOLE_BODY or path[0].name == binding.body:
        reader.add(name, "belongs into the body, not into the query", "UNKNOWN_FIELD")
    else:
        return path
    return None


def _set(
    reader: MessageReader,
    message: Any,
    path: list[FieldDescriptor],
    name: str,
    values: list[str | None],
) -> None:
    last = path[-1]
    if any(value is None for value in values):
        wanted = "true" if last.type == FieldDescriptor.TYPE_BOOL else "…"
        reader.add(name, f"has no value; write {name}={wanted}", "INVALID")
        return
    if len(values) > 1 and not last.is_repeated:
        reader.add(name, "stands twice in the query", "DUPLICATE_FIELD")
        return
    holder = message
    for step in path[:-1]:
        holder = getattr(holder, step.name)
    try:
        _put(holder, last, [str(value) for value in values])
    except WrongValue as exc:
        hint = "; write + as %2B" if _lost_plus(last, values) else ""
        reader.add(name, f"{exc}{hint}", "INVALID")


def _lost_plus(field: FieldDescriptor, values: list[str | None]) -> bool:
    """True for a value that would be one if each blank were the + that it may have been."""
    (text, *_) = [value for value in values if value and " " in value] or [""]
    kind = field.message_type
    try:
        if kind is not None:
            read_well_known(kind.full_name, text.replace(" ", "+"))
        else:
            read_word(field, text.replace(" ", "+"))
    except (WrongValue, KeyError):
        return False
    return bool(text)


def _put(holder: Any, field: FieldDescriptor, values: list[str]) -> None:
    kind = field.message_type
    if kind is not None:
        if field.is_repeated or kind.full_name not in WELL_KNOWN:
            raise WrongValue("can't be given in a query")
        made = getattr(holder, field.name)
        made.SetInParent()
        put_well_known(made, values[0])
    elif field.is_repeated:
        getattr(holder, field.name).extend(read_word(field, value) for value in values)
    else:
        setattr(holder, field.name, read_word(field, values[0]))
