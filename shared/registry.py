"""A registry: entries by id, in the order of their registration."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar


def require_async(handler: Callable[..., Any], owner: str) -> None:
    """Raises TypeError unless calling the handler gives an awaitable."""
    target: Any = handler
    while isinstance(target, partial):
        target = target.func
    if inspect.iscoroutinefunction(target):
        return
    if callable(target) and inspect.iscoroutinefunction(getattr(target, "__call__", None)):  # noqa: B004
        return
    raise TypeError(f"the handler of {owner} must be an async function")


T = TypeVar("T")


class DuplicateEntry(ValueError):
    """A different entry already holds the id."""


class Registry(Generic[T]):
    """Entries by id, in the order they were registered.

    `accept` raises for an entry that must not be registered.
    """

    def __init__(
        self, noun: str, key: Callable[[T], str], accept: Callable[[T], None] | None = None
    ) -> None:
        self._noun = noun
        self._key = key
        self._accept = accept
        self._entries: dict[str, T] = {}

    def register(self, entry: T) -> T:
        """Adds an entry; the very same one again changes nothing.

        Raises DuplicateEntry when a different entry holds its id.
        """
        if self._accept:
            self._accept(entry)
        key = self._key(entry)
        held = self._entries.setdefault(key, entry)
        if held != entry:
            raise DuplicateEntry(f"{self._noun} {key!r} is already registered")
        return held

    def get(self, key: str) -> T | None:
        return self._entries.get(key)

    def all(self) -> dict[str, T]:
        return dict(self._entries)

    def clear(self) -> None:
        self._entries.clear()
