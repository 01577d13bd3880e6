"""What may be registered as a handler."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any


def must_be_awaitable(handler: Callable[..., Any], owner: str) -> None:
    """Raises TypeError unless calling the handler gives an awaitable."""
    target: Any = handler
    while isinstance(target, partial):
        target = target.func
    if inspect.iscoroutinefunction(target):
        return
    if callable(target) and inspect.iscoroutinefunction(getattr(target, "__call__", None)):  # noqa: B004
        return
    raise TypeError(f"the handler of {owner} must be an async function")
