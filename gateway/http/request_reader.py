"""An HTTP request as the request of a call: path, query, body and If-Match."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from gateway.http import query
from gateway.http.bindings.contract import WHOLE_BODY, Binding, Contract, is_lasting, is_output_only
from gateway.http.bindings.router import Route
from gateway.http.messages import json_text
from gateway.http.messages.json_text import JsonError
from gateway.http.messages.message_reader import MessageReader, TooMany
from gateway.http.messages.names import ROOT, fields_of
from gateway.http.query import BadQuery
from gateway.http.refusal import Violation, refuse_fields, refuse_malformed

# Weak too: the gateway weakens the tag of what it compresses.
_ETAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_JSON: Final = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?', re.IGNORECASE)
# What a changed resource names and does not change.
_KEYS: Final = frozenset({"name", "etag"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """`query` is as it was sent. Headers are empty when they were not."""

    query: bytes
    body: bytes
    content_type: str = ""
    content_encoding: str = ""
    if_match: str = ""
    if_none_match: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReader:
    contract: Contract

    def read(self, route: Route, given: HttpRequest) -> Any:
        """Returns the call's request. Raises Refusal that names every invalid field."""
        message = route.binding.call.request()
        reader = MessageReader()
        try:
            self._fill(reader, message, route, given)
        except TooMany:
            pass
        except (JsonError, BadQuery) as exc:
            raise refuse_malformed(str(exc)) from None
        if reader.violations:
            raise refuse_fields(reader.violations)
        return message

    def _fill(self, reader: MessageReader, message: Any, route: Route, given: HttpRequest) -> None:
        binding = route.binding
        body = self._body(binding, given)
        if binding.body == WHOLE_BODY:
            reader.read(message, body, ROOT)
        elif field := binding.body_field:
            made = getattr(message, field.name)
            made.SetInParent()
            reader.read(made, body, (ROOT, field.name))
        self._explain(reader, binding, body)
        for name, value in route.variables.items():
            _put_variable(reader, message, name, value)
        query.read(reader, message, given.query, binding)
        if given.if_match:
            _put_etag(reader, message, binding, given.if_match)
        if given.if_none_match and binding.method != "GET":
            reader.add("If-None-Match", "belongs to GET and HEAD alone", "UNKNOWN_FIELD")
        if binding.method == "PATCH" and not reader.violations:
            self._require_change(reader, message, route, body)
            _fill_mask(message, binding, body)

    def _body(self, binding: Binding, given: HttpRequest) -> Any:
        """The JSON of the body; None where the call has none."""
        if not binding.body:
            if given.body:
                raise JsonError("this call has no body; write its fields into the query")
            return None
        if not given.body and not given.content_type and binding.body == WHOLE_BODY:
            return {}
        if given.content_encoding not in ("", "identity"):
            raise JsonError("the body must not be compressed")
        if given.content_type and not _JSON.fullmatch(given.content_type):
            raise JsonError("the body must be JSON; send content-type: application/json")
        return json_text.parse(given.body)

    def _explain(self, reader: MessageReader, binding: Binding, body: Any) -> None:
        """Says of members that belong elsewhere where that is."""
        field = binding.body_field
        if field is None or field.message_type is None or not isinstance(body, dict):
            return
        known, others = fields_of(field.message_type), fields_of(binding.call.descriptor)
        for index, one in enumerate(reader.violations):
            name = one.field.removeprefix(f"{field.name}.")
            meant = others.get(name)
            if one.reason != "UNKNOWN_FIELD" or meant is None or name in known:
                continue
            if meant.name == field.name:
                said = f"is the body itself; write what is in it as the body, without {name}"
            else:
                said = f"belongs into the query: ?{meant.name}=…"
            reader.violations[index] = Violation(
                field=one.field, description=said, reason="UNKNOWN_FIELD"
            )

    def _require_change(self, reader: MessageReader, message: Any, route: Route, body: Any) -> None:
        """Refuses a change of nothing but what only the service sets."""
        binding = route.binding
        field = binding.body_field
        kind = field.message_type if field is not None else None
        if kind is None or field is None or "update_mask" not in _members(binding):
            return
        known = fields_of(kind)
        given = {known[name].name for name, value in body.items() if value is not None} - _KEYS
        if message.HasField("update_mask") or not given:
            return
        if given <= {one.name for one in kind.fields if is_output_only(one)}:
            verbs = ", ".join(f":{verb}" for verb in self._verbs(binding))
            path = binding.template.fill(route.variables)[:200]
            hint = f"; a POST to {path} with a verb may change it: {verbs}" if verbs else ""
            for name in sorted(given):
                said = f"is set by the service{hint}"
                reader.add(f"{field.name}.{name}", said, "IMMUTABLE")

    def _verbs(self, binding: Binding) -> list[str]:
        found = {
            other.template.verb
            for other in self.contract.bindings
            if other.method == "POST" and other.template.segments == binding.template.segments
        }
        return sorted(found - {""})


def _fill_mask(message: Any, binding: Binding, body: Any) -> None:
    """Names the fields that the body holds, where it empties one and there is no mask.

    A service takes an empty mask for the fields that are present, and proto has no emptied ones.
    """
    field = binding.body_field
    if field is None or "update_mask" not in _members(binding) or message.update_mask.paths:
        return
    resource = getattr(message, field.name)
    known = fields_of(resource.DESCRIPTOR)
    named = {known[name].name: known[name] for name in body}
    given = {name: one for name, one in named.items() if name not in _KEYS and not is_lasting(one)}
    if any(_is_empty(resource, one) for one in given.values()):
        message.update_mask.paths.extend(given)


def _is_empty(message: Any, field: FieldDescriptor) -> bool:
    value: Any = getattr(message, field.name)
    if field.is_repeated:
        return not value
    if field.message_type is not None:
        return int(value.ByteSize()) == 0
    return not (message.HasField(field.name) if field.has_presence else value)


def _members(binding: Binding) -> Collection[str]:
    return fields_of(binding.call.descriptor)


def _put_variable(reader: MessageReader, message: Any, name: str, value: str) -> None:
    """Sets the field of a path; a body may repeat it and not contradict it."""
    *steps, last = name.split(".")
    holder = message
    for step in steps:
        holder = getattr(holder, step)
    held = getattr(holder, last)
    if held and held != value:
        reader.add(name, f"contradicts the path, which says {value[:200]}", "DUPLICATE_FIELD")
    else:
        setattr(holder, last, value)


def _put_etag(reader: MessageReader, message: Any, binding: Binding, header: str) -> None:
    """Sets the etag that the call has, in its request or in the resource that it changes."""
    holder = _etag_holder(message, binding)
    found = _ETAG.fullmatch(header.strip())
    if holder is None:
        reader.add("If-Match", "this call has no etag; leave the header out", "UNKNOWN_FIELD")
    elif header.strip() == "*":
        return  # whatever there is; a call on what is not there is refused anyway
    elif found is None:
        said = 'must be one etag in quotes, such as "abc", as the header ETag says it'
        reader.add("If-Match", said, "INVALID")
    elif holder.etag and holder.etag != found[1]:
        reader.add("If-Match", "contradicts the field etag", "DUPLICATE_FIELD")
    else:
        holder.etag = found[1]


def _etag_holder(message: Any, binding: Binding) -> Any:
    """The message whose etag a call compares; None for a call that reads or creates."""
    field = binding.body_field
    changed = getattr(message, field.name) if field and binding.method == "PATCH" else message
    holders = () if binding.method == "GET" else (message, changed)
    return next((one for one in holders if "etag" in fields_of(one.DESCRIPTOR)), None)
