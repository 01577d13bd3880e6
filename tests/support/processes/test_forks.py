"""Programs as forks."""

import signal
import subprocess
from multiprocessing.context import ForkServerProcess
from types import SimpleNamespace
from typing import cast

from tests.support.processes import forks


def test_a_signal_to_a_fork_that_its_parent_has_reaped_does_nothing() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    process = SimpleNamespace(pid=ended.pid, exitcode=None)  # its exit code is still on the way
    forks.Fork(cast(ForkServerProcess, process)).send_signal(signal.SIGTERM)
