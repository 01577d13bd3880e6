"""The signals that stop a program: SIGTERM and SIGINT."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def handle_stop_signals(handle: Callable[[], object]) -> None:
    """Calls `handle` in the running loop at each stop signal, until `ignore_stop_signals`.

    Only for the main thread. The loop's own handlers would not do: where one is removed, also
    where the loop closes, the default action comes back, and a late signal ends the process.
    """
    loop = asyncio.get_running_loop()

    def call(*_: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(handle)

    for number in STOP_SIGNALS:
        signal.signal(number, call)
        signal.siginterrupt(number, False)
    # When another thread takes a signal, asyncio's loop wakes only if it has a handler of its own
    # for some signal. SIGURG does nothing by default, so it does no harm when the loop closes.
    loop.add_signal_handler(signal.SIGURG, _do_nothing)


def _do_nothing() -> None:
    pass


def stop_signal() -> asyncio.Event:
    """Returns an event that a stop signal sets."""
    stopped = asyncio.Event()
    handle_stop_signals(stopped.set)
    return stopped


def ignore_stop_signals() -> None:
    """Makes this process ignore stop signals, so that a late one does not change its exit code."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
