"""Whole three-step runs a second of other engines, each in a process and a venv of its own.

The venv is made outside the project, from the registry; without one a peer is left out. Run
with an engine's name, a database and a number of runs, this file is that process.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = ("procrastinate==3.10.0", "dbos==3.4.0", "psycopg[binary]")
SECONDS = 180


def runs_a_second(peer: str, dsn: str, runs: int) -> float | None:
    """None when the peer is not to be had."""
    python = _python()
    if python is None:
        return None
    command = [str(python), __file__, peer, dsn, str(runs)]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return float(answer.stdout.split()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        print(f"{peer}: left out ({type(error).__name__})")
        return None


@cache
def _python() -> Path | None:
    if os.environ.get("ROTA_BENCH_PEERS") == "0":
        return None
    folder = Path(tempfile.mkdtemp(prefix="rota-bench-peers-"))
    python = folder / "bin" / "python"
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=60
        )
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *PACKAGES],
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
    except (subprocess.SubprocessError, OSError):
        print("peers: left out, they can't be installed here")
        return None
    return python


def _procrastinate(dsn: str, runs: int) -> float:
    """Each step is a committed row of ours, as a durable run of it would need."""
    from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]

    app: Any = App(connector=PsycopgConnector(conninfo=dsn, max_size=20))

    @app.task(name="run")  # type: ignore[untyped-decorator]
    async def carry_out(number: int) -> None:
        for step in range(3):
            await app.connector.execute_query_async(
                "insert into done values (%(number)s, %(step)s)", number=number, step=step
            )

    async def main() -> float:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await app.connector.execute_query_async("create table done (number int, step int)")
            await carry_out.batch_defer_async(*({"number": n} for n in range(runs)))
            began = time.perf_counter()
            await app.run_worker_async(concurrency=50, wait=False, install_signal_handlers=False)
            return runs / (time.perf_counter() - began)

    return asyncio.run(main())


def _dbos(dsn: str, runs: int) -> float:
    from dbos import DBOS, DBOSConfig  # type: ignore[import-not-found]

    url = "postgresql+psycopg://" + dsn.partition("://")[2]
    DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="ERROR"))

    @DBOS.step()  # type: ignore[untyped-decorator]
    async def step(number: int) -> int:
        return number

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    async def carry_out(number: int) -> None:
        for _ in range(3):
            await step(number)

    async def main() -> float:
        DBOS.launch()
        began = time.perf_counter()
        limit = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            async with limit:
                await (await DBOS.start_workflow_async(carry_out, number)).get_result()

        await asyncio.gather(*(one(number) for number in range(runs)))
        took = time.perf_counter() - began
        DBOS.destroy()
        return runs / took

    return asyncio.run(main())


if __name__ == "__main__":
    act = {"procrastinate": _procrastinate, "dbos": _dbos}[sys.argv[1]]
    print(act(sys.argv[2], int(sys.argv[3])))
