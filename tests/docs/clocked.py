"""`python -m devstack` whose services go by the clock in a file: ROTA_TEST_CLOCK."""

import os
import sys

from devstack import __main__ as devstack
from devstack import settings
from devstack.programs import SERVED, run_module


def run_clocked(module: str, arguments: list[str]) -> list[str]:
    if module in SERVED and not arguments:
        clock = os.environ["ROTA_TEST_CLOCK"]
        return [sys.executable, "-m", "tests.support.processes.service_processes", module, clock]
    return run_module(module, arguments)


if __name__ == "__main__":
    sys.exit(devstack.run(settings.read(os.environ), run_clocked))
