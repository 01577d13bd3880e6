"""Values of single fields: what is one of its kind, and what is not."""

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.http.messages.scalar import WrongValue, read_scalar, read_well_known

KINDS = ("string", "bool", "bytes", "double", "float", "int32", "uint32", "int64", "uint64")


def fields() -> dict[str, FieldDescriptor]:
    message = DescriptorProto(name="M")
    for number, kind in enumerate(KINDS, 1):
        code = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        message.field.add(name=kind, number=number, type=code)
    pool: Any = DescriptorPool()
    pool.Add(FileDescriptorProto(name="m.proto", syntax="proto3", message_type=[message]))
    found: dict[str, FieldDescriptor] = pool.FindMessageTypeByName("M").fields_by_name
    return found


FIELDS = fields()
GOOD = [
    ("string", "é", "é"), ("bool", True, True), ("bytes", "AQI=", b"\1\2"),
    ("bytes", "-_8", b"\xfb\xff"), ("double", 1, 1.0), ("double", "1e3", 1000.0),
    ("int32", 3.0, 3), ("int32", "-3", -3), ("int64", "9223372036854775807", 2**63 - 1),
    ("uint64", 2**64 - 1, 2**64 - 1),
]  # fmt: skip
BAD: list[tuple[str, Any]] = [
    ("string", 1), ("string", None), ("string", "\ud800"), ("bool", "true"), ("bool", 1),
    ("bytes", "AQ"[:1]), ("bytes", "AQI=="), ("bytes", "A Q="), ("bytes", [1]), ("double", "x"),
    ("double", "١"), ("double", True), ("double", 10**400), ("float", 1e39), ("int32", True),
    ("int32", 1.5), ("int32", 2**31), ("int32", "1e3"), ("int32", "01"), ("int32", " 1"),
    ("uint32", -1), ("int64", "9223372036854775808"), ("uint64", "1" * 5000), ("int64", {}),
]  # fmt: skip
TIMES = ["2026-01-31T09:00:00Z", "2026-01-31t09:00:00.5z", "2026-01-31T09:00:00+02:00"]
NO_TIMES = [
    "2026-1-31T09:00:00Z", "2026-01-31", "2026-01-31T09:00:00", "2026-02-30T09:00:00Z", "",
    "2026-01-31T25:00:00Z", "2026-01-31T09:00:00.1234567890Z", "٢026-01-31T09:00:00Z", 1,
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "read"), GOOD)
def test_a_value_is_read(kind: str, value: Any, read: Any) -> None:
    assert read_scalar(FIELDS[kind], value) == read


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_a_value_of_another_kind_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(WrongValue) as refused:
        read_scalar(FIELDS[kind], value)
    # A range would be that of the kind, and a field may take less.
    assert " from " not in str(refused.value)


def test_a_time_is_that_of_rfc_3339() -> None:
    for good in TIMES:
        assert read_well_known("google.protobuf.Timestamp", good).seconds > 0
    for bad in NO_TIMES:
        with pytest.raises(WrongValue):
            read_well_known("google.protobuf.Timestamp", bad)


def test_a_duration_is_in_seconds() -> None:
    assert read_well_known("google.protobuf.Duration", "-1.5s").nanos == -500_000_000
    for bad in ("1", "1m", "1e3s", "s", "9" * 12 + "s", 1):
        with pytest.raises(WrongValue):
            read_well_known("google.protobuf.Duration", bad)


def test_a_mask_has_the_names_of_the_proto() -> None:
    mask = "google.protobuf.FieldMask"
    assert read_well_known(mask, "displayName, definition.plan") == [
        "display_name",
        "definition.plan",
    ]
    assert read_well_known(mask, "") == []
    for bad in ("a b", "a,", ".a", "a..b", ["a"]):
        with pytest.raises(WrongValue):
            read_well_known(mask, bad)


def test_a_fraction_is_told_as_one() -> None:
    with pytest.raises(WrongValue, match="must be a whole number, without a fraction"):
        read_scalar(FIELDS["int32"], 1.5)
