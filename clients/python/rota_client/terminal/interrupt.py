"""Ctrl-C while a turn runs: the first cancels the turn, the second exits."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


class SecondInterrupt(Exception):
    """The person pressed Ctrl-C twice."""


@contextmanager
def on_interrupt(first: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Runs `first` at the first Ctrl-C; raises SecondInterrupt at the next."""
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
            raise SecondInterrupt from exc
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for task in asked:
            task.cancel()
