"""Timestamps on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shared import errors
from shared.rpc.messages.timestamps import read_timestamp, to_timestamp


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 7, 1, 8, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_from_a_timestamp(moment: datetime) -> None:
    expected = Timestamp()
    expected.FromDatetime(moment)
    assert to_timestamp(moment) == expected
    assert read_timestamp(expected, field="time") == moment


def test_no_moment_is_no_timestamp() -> None:
    assert to_timestamp(None) is None


@pytest.mark.parametrize("seconds", [-62_135_596_801, 253_402_300_800])
def test_a_timestamp_that_datetime_does_not_hold_is_refused(seconds: int) -> None:
    with pytest.raises(errors.InvalidRequest):
        read_timestamp(Timestamp(seconds=seconds), field="time")
