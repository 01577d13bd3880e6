"""A request of too many fields is refused before it is parsed."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import encoder
from rota.agent.v1 import agent_pb2
from rota.automation.v1 import automation_pb2
from rota.chat.v1 import chat_pb2
from rota.notice.v1 import notice_pb2

from shared import errors
from shared.errors import FieldReason
from shared.rpc.messages import wire
from shared.rpc.messages.wire import MAX_FIELDS, check_field_count

FILES = (agent_pb2, automation_pb2, chat_pb2, notice_pb2)

Way = tuple[FieldDescriptor, ...]


def lists(message: Descriptor, way: Way = ()) -> Iterator[Way]:
    """The ways to each list and map of a request."""
    for field in message.fields:
        if field in way:
            continue
        if field.is_repeated:
            yield (*way, field)
        kind = field.message_type
        if kind is not None and kind.full_name.startswith("rota."):
            yield from lists(kind, (*way, field))


def requests() -> list[Descriptor]:
    services = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
    return [method.input_type for service in services for method in service.methods]


def embed(number: int, inner: bytes) -> bytes:
    written = io.BytesIO()
    encoder.BytesEncoder(number, False, False)(written.write, inner, False)
    return written.getvalue()


def with_items(way: Sequence[FieldDescriptor], count: int) -> bytes:
    """A request with a list of so many empty items."""
    raw = encoder.TagBytes(way[-1].number, 2) + b"\0"
    raw *= count
    for field in reversed(way[:-1]):
        raw = embed(field.number, raw)
    return raw


LISTS = [(request, way) for request in requests() for way in lists(request)]


def test_every_list_of_a_request_is_bounded_before_a_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    read, count = wire._read_varint, 0

    def counted(raw: bytes, at: int) -> tuple[int, int]:
        nonlocal count
        count += 1
        return read(raw, at)

    monkeypatch.setattr(wire, "_read_varint", counted)
    monkeypatch.setattr(wire, "MAX_FIELDS", 500)
    assert len(LISTS) > 20
    for request, way in LISTS:
        count = 0
        with pytest.raises(errors.InvalidRequest) as caught:
            check_field_count(request, with_items(way, 5_000))
        [found] = caught.value.violations
        assert found.reason is FieldReason.TOO_LARGE
        assert found.field == ".".join(field.name for field in way)
        assert count <= 3 * 500


def test_as_many_fields_as_may_be_are_left_to_the_parser() -> None:
    request: Any = automation_pb2.BackfillSlotsRequest.DESCRIPTOR
    way = [request.fields_by_name["slots"]]
    check_field_count(request, with_items(way, MAX_FIELDS))
    with pytest.raises(errors.InvalidRequest):
        check_field_count(request, with_items(way, MAX_FIELDS + 1))


@pytest.mark.parametrize("unknown", [b"\xb8\x3e\x01", b"\xbb\x3e\xbc\x3e", b"\xba\x3e\x00"])
def test_unknown_fields_count(unknown: bytes) -> None:
    request: Any = chat_pb2.SendMessageRequest.DESCRIPTOR
    with pytest.raises(errors.InvalidRequest) as caught:
        check_field_count(request, embed(2, unknown * (MAX_FIELDS + 1)))
    assert caught.value.violations[0].field == "message.#999"


@pytest.mark.parametrize(
    "raw", [b"\x80" * 1_000_000, b"\x12", b"\x12\xff", b"\x12\x05", b"\x0f", b"\x0d\x01", b""]
)
def test_bytes_that_are_no_message_are_left_to_the_parser(raw: bytes) -> None:
    request: Any = chat_pb2.SendMessageRequest.DESCRIPTOR
    check_field_count(request, raw)
