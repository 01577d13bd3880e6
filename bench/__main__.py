"""`python -m bench [NAME …]`: runs the benchmarks and prints one table each."""

import argparse
import asyncio
import platform
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bench import schedule, statements
from bench.automation import benchmark as automation
from bench.automation import waits
from bench.chat import benchmark as chat
from bench.table import Table

BENCHES: dict[str, Callable[[], Coroutine[Any, Any, Table]]] = {
    "automation": automation.run,
    "chat": chat.run,
    "schedule": schedule.run,
    "statements": statements.run,
    "waits": waits.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    names = parser.parse_args().names or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        parser.error(f"there is no benchmark {unknown[0]!r}: choose from {', '.join(BENCHES)}")
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for name in names:
        print(f"\n{name}")
        print(asyncio.run(BENCHES[name]()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
