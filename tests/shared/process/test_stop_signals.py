"""Stop signals: they are handled, then ignored, and at no moment in between do they end it."""

import subprocess
import sys

import pytest

# What it prints says which stop signal had its default action again, as far as Python sets it.
PROGRAM = """
import asyncio, faulthandler, os, signal, sys, threading
import uvloop
from shared.process.stop_signals import STOP_SIGNALS, ignore_stop_signals, stop_signal

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
setting = signal.signal

def record(number, handler):
    if number in STOP_SIGNALS and handler in DEFAULTS:
        print(number.name)
    return setting(number, handler)

class Last:
    # The interpreter has let go of its handlers when it ends what `sys` holds.
    def __del__(self, kill=os.kill, process=os.getpid(), numbers=tuple(map(int, STOP_SIGNALS))):
        for number in numbers:
            kill(process, number)

async def run():
    stopped = stop_signal()
    signal.signal = record
    idle = threading.Thread(target=threading.Event().wait, daemon=True)
    idle.start()
    # As the kernel may: another thread takes it while the loop waits.
    taken = threading.Timer(0.2, signal.pthread_kill, [idle.ident, signal.Signals[sys.argv[2]]])
    taken.start()
    # No timer of the loop, which would wake it.
    faulthandler.dump_traceback_later(120, exit=True)
    await stopped.wait()
    os.kill(os.getpid(), signal.Signals[sys.argv[2]])
    ignore_stop_signals()

sys.last = Last()
with asyncio.Runner(loop_factory=LOOPS[sys.argv[1]]) as runner:
    runner.run(run())
for number in STOP_SIGNALS:
    os.kill(os.getpid(), number)
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_stop_signal_ends_a_program_once_whichever_thread_takes_it(
    loop: str, number: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, loop, number], capture_output=True, text=True, timeout=240
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
