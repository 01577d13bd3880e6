"""The public calls of the contract and how HTTP reaches each, from the descriptors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from rota.options.v1 import options_pb2

from gateway.http.bindings import path_template
from gateway.http.bindings.path_template import PathTemplate
from gateway.routes import PUBLIC

WHOLE_BODY: Final = "*"
INPUT_ONLY: Final = field_behavior_pb2.INPUT_ONLY
OUTPUT_ONLY: Final = field_behavior_pb2.OUTPUT_ONLY
_LASTING: Final = frozenset(
    {OUTPUT_ONLY, field_behavior_pb2.IMMUTABLE, field_behavior_pb2.IDENTIFIER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An RPC. `path` is that of gRPC, `cluster` the key of its service in PUBLIC.

    `secret` is true where the answer may hold one.
    """

    name: str
    path: str
    cluster: str
    request: type[Any]
    response: type[Any]
    streams: bool
    secret: bool = False

    @property
    def descriptor(self) -> Descriptor:
        found: Descriptor = self.request.DESCRIPTOR
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One HTTP form of a call. `body` is a field, WHOLE_BODY, or empty for none."""

    call: Call
    method: str
    template: PathTemplate
    body: str

    @property
    def bound(self) -> frozenset[str]:
        """The fields that the path gives."""
        return frozenset(one.field for one in self.template.variables)

    @property
    def body_field(self) -> FieldDescriptor | None:
        """The field that the body is; None for the whole request, or for no body."""
        if self.body in ("", WHOLE_BODY):
            return None
        found: FieldDescriptor = self.call.descriptor.fields_by_name[self.body]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """`pool` also holds the messages that answers may pack into an Any."""

    pool: Any
    bindings: tuple[Binding, ...]


def is_output_only(field: FieldDescriptor) -> bool:
    """True for a field that only the service sets."""
    return OUTPUT_ONLY in _behavior(field)


def is_lasting(field: FieldDescriptor) -> bool:
    """True for a field that no update changes."""
    return not _LASTING.isdisjoint(_behavior(field))


def read(descriptors: bytes) -> Contract:
    """Reads a serialised FileDescriptorSet. Services that are not in PUBLIC are left out."""
    pool: Any = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        pool.Add(file)
    bindings = []
    for cluster, services in PUBLIC.items():
        for service in services:
            for method in pool.FindServiceByName(service).methods:
                bindings += list(_bindings(cluster, method))
    return Contract(pool=pool, bindings=tuple(bindings))


def _bindings(cluster: str, method: MethodDescriptor) -> Iterator[Binding]:
    call = Call(
        name=method.name,
        path=f"/{method.containing_service.full_name}/{method.name}",
        cluster=cluster,
        request=message_factory.GetMessageClass(method.input_type),
        response=message_factory.GetMessageClass(method.output_type),
        streams=method.server_streaming,
        secret=_holds_secret(method.output_type, frozenset()),
    )
    rule = _http_rule(method)
    if rule is not None:
        for one in (rule, *rule.additional_bindings):
            yield _binding(call, one)


def _holds_secret(kind: Descriptor, above: frozenset[str]) -> bool:
    """True for a message that has a secret, at any depth, which callers do not only send."""
    for field in kind.fields:
        options = _options(field)
        sent = INPUT_ONLY in _behavior(field)
        secret: Any = options_pb2.secret
        if options.Extensions[secret] and not sent:
            return True
        inner = field.message_type
        below = above | {kind.full_name}
        if inner is not None and inner.full_name not in below and _holds_secret(inner, below):
            return True
    return False


def _behavior(field: FieldDescriptor) -> frozenset[int]:
    return frozenset(_options(field).Extensions[field_behavior_pb2.field_behavior])


def _options(field: FieldDescriptor) -> descriptor_pb2.FieldOptions:
    # The options of another pool than the default one know no extensions by themselves.
    return descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())


def _http_rule(method: MethodDescriptor) -> Any:
    options = descriptor_pb2.MethodOptions.FromString(method.GetOptions().SerializeToString())
    if not options.HasExtension(annotations_pb2.http):
        return None
    return options.Extensions[annotations_pb2.http]


def _binding(call: Call, rule: http_pb2.HttpRule) -> Binding:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        method, template = rule.custom.kind, rule.custom.path
    else:
        method, template = kind.upper(), getattr(rule, kind)
    return Binding(call=call, method=method, template=path_template.parse(template), body=rule.body)
