"""Encoders of stream responses: how the messages of a stream stand in the body."""

from typing import Any, Protocol


class StreamEncoder(Protocol):
    """Turns messages into the bytes that are sent, each flushed at once."""

    @property
    def content_type(self) -> str: ...

    def opening(self) -> bytes:
        """Returns the bytes that stand before the first message."""
        ...

    def frame(self, message: Any) -> bytes:
        """Returns the bytes of one message of the stream."""
        ...

    def failure(self, error: dict[str, Any]) -> bytes:
        """Returns the bytes that end a stream which fails after it began, from its JSON status."""
        ...
