"""Ctrl-C while a turn runs: the first press asks to stop, the second leaves."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


class Left(Exception):
    """The person pressed Ctrl-C again."""


@contextmanager
def on_interrupt(first: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Inside it the first Ctrl-C runs `first`, the next raises Left out of it."""
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    asked: list[asyncio.Future[None]] = []
    leaving = asyncio.Event()

    def pressed() -> None:
        if asked and me is not None:
            leaving.set()
            me.cancel()
        else:
            asked.append(asyncio.ensure_future(first(), loop=loop))

    try:
        loop.add_signal_handler(signal.SIGINT, pressed)
    except (NotImplementedError, RuntimeError, ValueError):
        # no main thread, or no such signals: then Ctrl-C is nobody's here
        yield
        return
    try:
        yield
    except asyncio.CancelledError as exc:
        if leaving.is_set():
            raise Left from exc
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for task in asked:
            task.cancel()
