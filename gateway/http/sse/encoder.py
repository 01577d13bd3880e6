"""Server-sent events, as the EventSource of browsers reads them."""

from typing import Any, Final

from gateway.http.messages import message_writer
from gateway.http.messages.names import fields_of

# How long a browser waits before it connects again.
RETRY_MILLISECONDS: Final = 1000
_HEARTBEAT: Final = "heartbeat"
_SEQUENCE: Final = "sequence"


class SseEncoder:
    """An event for each message, with its sequence as the id. A heartbeat is a comment.

    A stream that fails after it began ends with an event `status`, whose data is no message but
    the JSON of the error.
    """

    content_type = "text/event-stream"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def opening(self) -> bytes:
        return b"retry: %d\n\n" % RETRY_MILLISECONDS

    def frame(self, message: Any) -> bytes:
        if is_heartbeat(message):
            return b": heartbeat\n\n"
        sequence = sequence_of(message)
        event_id = b"id: %d\n" % sequence if sequence else b""
        return event_id + b"data: " + message_writer.write(message, self._pool) + b"\n\n"

    def failure(self, error: dict[str, Any]) -> bytes:
        return b"event: status\ndata: " + message_writer.dump(error) + b"\n\n"


def is_heartbeat(message: Any) -> bool:
    """True for a message that says nothing but that the stream lives."""
    return _HEARTBEAT in fields_of(message.DESCRIPTOR) and bool(message.HasField(_HEARTBEAT))


def sequence_of(message: Any) -> int:
    """Returns the position in the stream, from 1; 0 for none."""
    return int(message.sequence) if _SEQUENCE in fields_of(message.DESCRIPTOR) else 0
