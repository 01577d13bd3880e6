"""`parent_death_signal.py PARENT COMMAND…`: runs a command that ends when process PARENT ends.

A file that is run, not a `preexec_fn`: code between fork and exec is not safe in a process with
threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def wrap_command(command: Sequence[str]) -> list[str]:
    """Returns the command line of a child of this process that gets SIGTERM when the thread
    that starts it ends. `command` begins with an absolute path."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    # the parent may have ended before prctl
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
