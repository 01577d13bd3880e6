"""`python -m tests.fuzz`: starts a system of its own and makes random calls.

It prints which share of them reached a handler, and ends with 1 when it found a fault. On
standard error it says each some thousands of calls how many were made. TERM ends it as Ctrl-C does.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.contract.stage import Stage
from tests.fuzz.run import Settings, Source, run
from tests.fuzz.writers import Writers
from tests.support.suite.trust import share_trust

DOORS = ["straight", "json", "grpc-web", "writers"]
# The gateway's own limit of calls would refuse most of these.
_UNLIMITED = {"ROTA_RATE_PER_SECOND": "1000000", "ROTA_RATE_BURST": "1000000"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="how many; default 20,000")
    parser.add_argument("--seed", type=int, default=1, help="of the dice; default 1")
    parser.add_argument("--door", choices=DOORS, default="straight")
    parser.add_argument("--at-once", type=int, default=24, help="calls that wait; default 24")
    parser.add_argument("--damaged", type=float, default=0.12, help="share of odd bytes")
    told = parser.parse_args()
    settings = Settings(**vars(told))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    os.environ["PGSSLMODE"] = "disable"
    share_trust()
    # Imported here: what they import reads the environment.
    from tests.fuzz.canary import Canary
    from tests.support.database.postgres import suite_server
    from tests.support.system.live import live
    from tests.support.system.pair import migrated

    with (
        tempfile.TemporaryDirectory(prefix="rota-fuzz-") as folder,
        suite_server() as server,
        live(server.fresh_database("both_migrated", migrated), Path(folder), _UNLIMITED) as system,
    ):
        if settings.door == "writers":
            Writers(Stage(system.tenant()), settings.seed).write(settings.calls)
            print(f"{settings.calls} writes are as the model has them")
            return 0
        source = Source(Stage(system.tenant()), settings.seed)
        canary = Canary(system)
        began = time.monotonic()
        report = asyncio.run(run(system, source, canary, settings))
        seconds = time.monotonic() - began
    print(report)
    print(f"{settings} in {seconds:.0f} s, {report.total.calls / seconds:.0f} a second")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
