"""Where a stream goes on: Last-Event-ID, which a browser sends when it connects again."""

import re
from typing import Any, Final

from gateway.http.messages.names import fields_of
from gateway.http.refusal import Refusal, Violation, refuse_fields
from gateway.http.sse.encoder import is_heartbeat, sequence_of

_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_LARGEST: Final = (1 << 31) - 1
# The field of a request that names the last message that its caller has.
_AFTER: Final = "after_sequence"
_REQUEST_ID: Final = "request_id"


def parse(header: str) -> int:
    """Returns the sequence of the last event; 0 for none. Raises Refusal."""
    if not header:
        return 0
    found = int(header) if _NUMBER.fullmatch(header) else _LARGEST + 1
    if found > _LARGEST:
        raise _invalid("must be the id of an event of this stream, a whole number")
    return found


def refuse_beyond(last: int) -> Refusal:
    """Returns the refusal of an id that no event of a stream has; `last` is its last one."""
    return _invalid(f"is beyond the end: the last event is {last}")


def apply(request: Any, last: int) -> int:
    """Lets the service begin after the last event, if its call can.

    Returns the sequence up to which messages are to be left out: `last` for a call that repeats
    its stream from the first message, by its request_id; 0 for a call that makes a new one.
    """
    known = fields_of(request.DESCRIPTOR)
    if last and _AFTER in known:
        request.after_sequence = last
        return 0
    return last if _REQUEST_ID in known and request.request_id else 0


def is_known(message: Any, last: int) -> bool:
    """True for a message that the caller has."""
    return not is_heartbeat(message) and 0 < sequence_of(message) <= last


def _invalid(description: str) -> Refusal:
    return refuse_fields(
        [Violation(field="Last-Event-ID", description=description, reason="INVALID")]
    )
