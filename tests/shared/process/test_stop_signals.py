"""Stop signals: they are handled, then ignored, and at no moment in between do they end it."""

import subprocess
import sys

import pytest

# What it prints says which stop signal had its default action again.
PROGRAM = """
import asyncio, os, signal, sys
import uvloop
from shared.process.stop_signals import STOP_SIGNALS, ignore_stop_signals, stop_signal

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
setting = signal.signal

def record(number, handler):
    if number in STOP_SIGNALS and handler in DEFAULTS:
        print(number.name)
    return setting(number, handler)

async def run():
    stopped = stop_signal()
    signal.signal = record
    for again in range(2):
        os.kill(os.getpid(), signal.Signals[sys.argv[2]])
        await stopped.wait()
    ignore_stop_signals()

with asyncio.Runner(loop_factory=LOOPS[sys.argv[1]]) as runner:
    runner.run(run())
for number in STOP_SIGNALS:
    os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_late_signal_ends_a_program_that_stops(loop: str, number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, loop, number], capture_output=True, text=True, timeout=240
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
