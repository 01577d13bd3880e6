"""The places in a JSON value."""

from collections.abc import Iterator, Sequence
from typing import Any

Place = tuple[str | int, ...]


def places(value: Any, way: Place = ()) -> Iterator[Place]:
    """The ways to every value in another one."""
    inner: Sequence[tuple[Any, Any]] = ()
    match value:
        case dict():
            inner = list(value.items())
        case list():
            inner = list(enumerate(value))
    for key, item in inner:
        yield (*way, key)
        yield from places(item, (*way, key))
