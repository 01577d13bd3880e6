"""The contract by descriptor, with its comments."""

import functools
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from buf.validate import validate_pb2
from google.api import annotations_pb2, client_pb2, field_behavior_pb2, resource_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT: Final = Path(__file__).resolve().parents[2]
PROTOS: Final = ROOT / "proto"


@functools.cache
def files() -> tuple[FileDescriptor, ...]:
    """Every file of ours."""
    names = sorted(path.relative_to(PROTOS) for path in PROTOS.glob("rota/*/v1/*.proto"))
    modules = [str(name).removesuffix(".proto").replace("/", ".") + "_pb2" for name in names]
    return tuple(importlib.import_module(module).DESCRIPTOR for module in modules)


def messages() -> Iterator[Descriptor]:
    for file in files():
        for message in file.message_types_by_name.values():
            yield from _nested(message)


def _nested(message: Descriptor) -> Iterator[Descriptor]:
    if message.GetOptions().map_entry:
        return
    yield message
    for inner in message.nested_types:
        yield from _nested(inner)


def fields() -> Iterator[FieldDescriptor]:
    for message in messages():
        yield from message.fields


def holder(field: FieldDescriptor) -> Descriptor:
    """The message that the field is of."""
    assert field.containing_type is not None
    return field.containing_type


def enums() -> Iterator[EnumDescriptor]:
    for file in files():
        yield from file.enum_types_by_name.values()
    for message in messages():
        yield from message.enum_types


def methods() -> Iterator[MethodDescriptor]:
    for file in files():
        for service in file.services_by_name.values():
            yield from service.methods


def public_methods() -> Iterator[MethodDescriptor]:
    """Those that the gateway routes."""
    return (method for method in methods() if http(method)[0])


def short(element: Any) -> str:
    """As `shortened` has it."""
    return shortened(str(element.full_name))


def shortened(name: str) -> str:
    """`chat.Thread.name`: without `rota.` and the version."""
    return re.sub(r"^rota\.(\w+)\.v1\.", r"\1.", name)


def behaviours(field: FieldDescriptor) -> set[str]:
    found = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return {field_behavior_pb2.FieldBehavior.Name(one) for one in found}


def rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    found: validate_pb2.FieldRules = option(field, validate_pb2.field)
    return found


def option(field: FieldDescriptor, extension: Any) -> Any:
    return field.GetOptions().Extensions[extension]


def resource(message: Descriptor | None) -> resource_pb2.ResourceDescriptor | None:
    """The resource that the message is; None if it is none."""
    if message is None:
        return None
    options = message.GetOptions()
    return (
        options.Extensions[resource_pb2.resource]
        if (options.HasExtension(resource_pb2.resource))
        else None
    )


def reference(field: FieldDescriptor) -> str:
    """The type that the field names, `>` before it if it is the parent of one; else empty."""
    found = field.GetOptions().Extensions[resource_pb2.resource_reference]
    return f">{found.child_type}" if found.child_type else found.type


def http(method: MethodDescriptor) -> tuple[str, str, str]:
    """The verb, the path and the body; empty for a call that has no place in HTTP."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern") or ""
    return verb, getattr(rule, verb) if verb else "", rule.body


def signature(method: MethodDescriptor) -> list[str]:
    found: list[str] = list(method.GetOptions().Extensions[client_pb2.method_signature])
    return found[0].split(",") if found else []


def inputs() -> set[str]:
    """The full names of the messages that a request holds, itself among them."""
    seen: set[str] = set()
    waiting = [method.input_type for method in methods()]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or not message.full_name.startswith("rota."):
            continue
        seen.add(message.full_name)
        waiting += [field.message_type for field in message.fields if field.message_type]
    return seen


@functools.cache
def comments() -> dict[str, str]:
    """The comment on each element by its full name, in one line."""
    buf = str(ROOT / ".venv" / "bin" / "buf")
    command = [buf, "build", "--path", "proto/rota", "-o", "-#format=binpb"]
    image = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    found = {}
    for file in FileDescriptorSet.FromString(image).file:
        for place in file.source_code_info.location if file.name.startswith("rota/") else ():
            name = _name(file, tuple(place.path))
            if name:
                found[f"{file.package}.{name}"] = " ".join(place.leading_comments.split())
    return found


_PARTS: Final = {
    "FileDescriptorProto": {4: "message_type", 5: "enum_type", 6: "service", 7: "extension"},
    "DescriptorProto": {2: "field", 3: "nested_type", 4: "enum_type", 8: "oneof_decl"},
    "EnumDescriptorProto": {2: "value"},
    "ServiceDescriptorProto": {2: "method"},
}


def _name(at: Any, path: tuple[int, ...]) -> str:
    """`Thread.name` of a path of source_code_info; empty for what has no name of its own."""
    if len(path) % 2:
        return ""
    names = []
    for kind, index in zip(path[::2], path[1::2], strict=True):
        part = _PARTS.get(type(at).__name__, {}).get(kind)
        if part is None:
            return ""
        at = getattr(at, part)[index]
        names.append(at.name)
    return ".".join(names)
