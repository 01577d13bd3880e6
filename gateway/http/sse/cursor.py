"""Where a stream goes on: Last-Event-ID, which a browser sends when it connects again."""

import re
from typing import Any, Final

from gateway.http.messages.names import fields_of
from gateway.http.refusal import Violation, refuse_fields
from gateway.http.sse.encoder import is_heartbeat, sequence_of

_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_LARGEST: Final = (1 << 31) - 1
# The field of a request that names the last message that its caller has.
_AFTER: Final = "after_sequence"


def parse(header: str) -> int:
    """Returns the sequence of the last event; 0 for none. Raises Refusal."""
    if not header:
        return 0
    found = int(header) if _NUMBER.fullmatch(header) else _LARGEST + 1
    if found > _LARGEST:
        said = "must be the id of an event of this stream, a whole number"
        one = Violation(field="Last-Event-ID", description=said, reason="INVALID")
        raise refuse_fields([one])
    return found


def apply(request: Any, last: int) -> int:
    """Lets the service begin after the last event, if its call can.

    Returns the sequence up to which messages are to be left out: 0, or `last` for a call that
    repeats its stream from the first message.
    """
    if last and _AFTER in fields_of(request.DESCRIPTOR):
        request.after_sequence = last
        return 0
    return last


def is_known(message: Any, last: int) -> bool:
    """True for a message that the caller has."""
    return not is_heartbeat(message) and 0 < sequence_of(message) <= last
