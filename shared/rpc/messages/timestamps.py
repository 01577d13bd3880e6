"""Datetimes to protobuf timestamps and back."""

from datetime import UTC, datetime
from typing import Final, overload

from google.protobuf.timestamp_pb2 import Timestamp

from shared import errors

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS: Final = 86_400


@overload
def to_timestamp(moment: datetime) -> Timestamp: ...
@overload
def to_timestamp(moment: datetime | None) -> Timestamp | None: ...
def to_timestamp(moment: datetime | None) -> Timestamp | None:
    """Returns the moment, which must be aware, in microseconds; None for None."""
    if moment is None:
        return None
    since = moment - _EPOCH
    return Timestamp(
        seconds=since.days * _DAY_SECONDS + since.seconds, nanos=since.microseconds * 1000
    )


def from_timestamp(value: Timestamp) -> datetime:
    """Returns the moment in UTC. Raises ValueError or OverflowError if datetime can't hold it."""
    return value.ToDatetime(tzinfo=UTC)


def read_timestamp(value: Timestamp, *, field: str) -> datetime:
    """Returns the moment in UTC. Raises InvalidRequest for one that datetime can't hold."""
    try:
        return from_timestamp(value)
    except (ValueError, OverflowError):
        raise errors.invalid(field, "is not a time from 0001 to 9999") from None
