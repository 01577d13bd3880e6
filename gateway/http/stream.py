"""Encoders of stream responses: how the messages of a stream stand in the body."""

from typing import Any, Protocol

from gateway.http import message_writer


class StreamEncoder(Protocol):
    """Turns messages into the bytes that are sent, each flushed at once."""

    @property
    def content_type(self) -> str: ...

    def frame(self, message: Any) -> bytes:
        """Returns the bytes of one message of the stream."""
        ...

    def failure(self, error: dict[str, Any]) -> bytes:
        """Returns the bytes that end a stream which fails after it began, from its JSON status."""
        ...


class SseEncoder:
    """Server-sent events, one `data:` line for each message."""

    content_type = "text/event-stream"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def frame(self, message: Any) -> bytes:
        return b"data: " + message_writer.write(message, self._pool) + b"\n\n"

    def failure(self, error: dict[str, Any]) -> bytes:
        return b"data: " + message_writer.dump({"error": error}) + b"\n\n"
