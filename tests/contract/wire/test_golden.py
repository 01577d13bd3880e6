"""The bytes of the contract: what was written once is read for ever, by both implementations."""

import json

import betterproto2
import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from rota.chat.v1 import chat_pb2

from rota_client.gen.rota.chat.v1 import TurnEvent
from tests.contract.wire import golden


@pytest.mark.parametrize("name", golden.names())
def test_the_services_write_and_read_the_golden_bytes(name: str) -> None:
    message = golden.parsed(name)
    assert message.SerializeToString(deterministic=True) == golden.wire(name)
    read = golden.kind(name).FromString(golden.wire(name))
    assert read == message
    said = json_format.MessageToDict(read, preserving_proto_field_name=True)
    assert said == json.loads((golden.FOLDER / f"{name}.json").read_text())


@pytest.mark.parametrize("name", golden.names())
def test_another_implementation_reads_and_writes_the_same_bytes(name: str) -> None:
    read = golden.client_kind(name).parse(golden.wire(name))
    assert bytes(read) == golden.wire(name)


# betterproto2 writes a FieldMask as an object in JSON, where it should be a string.
SAME_JSON = [name for name in golden.names() if not name.endswith("-masked")]


@pytest.mark.parametrize("name", SAME_JSON)
def test_another_implementation_says_the_same_json(name: str) -> None:
    read = golden.client_kind(name).parse(golden.wire(name))
    said = read.to_json(casing=betterproto2.Casing.SNAKE)
    again = json_format.Parse(said, golden.kind(name)())
    assert again.SerializeToString(deterministic=True) == golden.wire(name)


def test_every_frame_of_a_turn_and_of_a_run_has_its_golden_bytes() -> None:
    for event in ("rota.chat.v1.TurnEvent", "rota.automation.v1.RunEvent"):
        oneof = golden.kind(event).DESCRIPTOR.oneofs_by_name["event"]
        wanted = {f"{event}-{field.name}" for field in oneof.fields}
        assert wanted <= set(golden.names()), wanted - set(golden.names())


def test_a_frame_of_a_later_version_is_kept_and_has_no_kind() -> None:
    later = bytes.fromhex("0807fa0600")  # sequence 7, and field 111
    assert chat_pb2.TurnEvent.FromString(later).WhichOneof("event") is None
    assert chat_pb2.TurnEvent.FromString(later).SerializeToString() == later
    assert betterproto2.which_one_of(TurnEvent.parse(later), "event")[0] == ""
    assert bytes(TurnEvent.parse(later)) == later


def test_bytes_that_are_cut_off_are_refused_by_the_services() -> None:
    # The client's decoder takes them: it never stands where strangers write.
    with pytest.raises(DecodeError):
        chat_pb2.TextDelta.FromString(bytes.fromhex("0a7f616263"))
