"""Every object of every JSON body of the contract, by the descriptors."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.http.bindings.contract import WHOLE_BODY, Binding, Contract

# What JSON writes otherwise than by fields.
OPEN = frozenset(
    f"google.protobuf.{name}"
    for name in ("Struct", "Value", "ListValue", "Timestamp", "Duration", "FieldMask")
)


@dataclass(frozen=True)
class Place:
    """An object of a body: `before` and `after` are the text around what it holds."""

    binding: Binding
    kind: Descriptor
    path: str = ""
    before: str = "{"
    after: str = "}"
    types: tuple[str, ...] = field(default=())

    def body(self, members: str) -> bytes:
        return f"{self.before}{members}{self.after}".encode()

    def url(self) -> str:
        template = self.binding.template
        path = "/" + "/".join("x" if one == "*" else one for one in template.segments)
        return path + (f":{template.verb}" if template.verb else "")


def places(contract: Contract) -> Iterator[Place]:
    """Yields the objects of all bodies; one that holds its own kind is entered once."""
    for binding in contract.bindings:
        if binding.body == WHOLE_BODY:
            yield from _walk(Place(binding, binding.call.descriptor))
        elif binding.body_field is not None and binding.body_field.message_type is not None:
            yield from _walk(Place(binding, binding.body_field.message_type, binding.body))


def _walk(place: Place) -> Iterator[Place]:
    yield place
    for one in place.kind.fields:
        inner = _entered(place, one)
        if inner is not None and inner.kind.full_name not in (*OPEN, *place.types):
            yield from _walk(inner)


def _entered(place: Place, one: FieldDescriptor) -> Place | None:
    kind = one.message_type
    if kind is None:
        return None
    types = (*place.types, place.kind.full_name)
    path = f"{place.path}.{one.name}" if place.path else one.name
    opens, closes = "{", "}"
    if one.is_repeated and kind.GetOptions().map_entry:
        kind = kind.fields_by_name["value"].message_type
        path, opens, closes = f"{path}.k", '{"k":{', "}}"
    elif one.is_repeated:
        path, opens, closes = f"{path}[0]", "[{", "}]"
    if kind is None:
        return None
    before = f'{place.before}"{one.name}":{opens}'
    return Place(place.binding, kind, path, before, closes + place.after, types)
