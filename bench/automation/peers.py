"""Peers: other task queues, each in its own process and venv.

The venv is made outside the project, from the registry, and removed at the end; without one a
peer is left out. Run with an engine's name, `runs` or `due`, a database and a number, this file
is that process, and prints what it found as JSON.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PACKAGES = ("procrastinate==3.10.0", "dbos==3.4.0", "psycopg[binary]")
SECONDS = 180
# Until runs that are due at one moment are due: they are enqueued meanwhile.
AHEAD_SECONDS = 12.0


@contextmanager
def install_peers() -> Iterator[Path | None]:
    """Yields the Python of the peers' venv; None when they can't be installed."""
    if os.environ.get("ROTA_BENCH_PEERS") == "0":
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="rota-bench-peers-"))
    try:
        yield folder / "bin" / "python" if _install(folder) else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_peer(python: Path, peer: str, what: str, dsn: str, count: int) -> list[float] | None:
    """Returns runs a second for `runs`, lateness of each for `due`; None if the peer fails."""
    command = [str(python), __file__, peer, what, dsn, str(count)]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        found: list[float] = json.loads(answer.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        print(f"{peer}: left out ({type(error).__name__})")
        return None
    return found


def _install(folder: Path) -> bool:
    steps: Sequence[Sequence[str]] = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES],
    )
    try:
        for command in steps:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError):
        print("peers: left out, they can't be installed here")
        return False
    return True


def _procrastinate(what: str, dsn: str, count: int) -> list[float]:
    """Each step is a committed row of ours, as a durable run of it would need."""
    from procrastinate import App, PsycopgConnector  # type: ignore[import-not-found]

    app: Any = App(connector=PsycopgConnector(conninfo=dsn, max_size=20))
    late: list[float] = []

    @app.task(name="run")  # type: ignore[untyped-decorator]
    async def carry_out(number: int) -> None:
        for step in range(3):
            await app.connector.execute_query_async(
                "insert into done values (%(number)s, %(step)s)", number=number, step=step
            )

    all_begun = asyncio.Event()

    @app.task(name="due")  # type: ignore[untyped-decorator]
    async def begin(due: float) -> None:
        late.append(time.time() - due)
        if len(late) == count:
            all_begun.set()

    async def work(*, wait: bool) -> None:
        await app.run_worker_async(
            concurrency=50,
            wait=wait,
            install_signal_handlers=False,
            fetch_job_polling_interval=0.2,
        )

    async def main() -> list[float]:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await app.connector.execute_query_async("create table done (number int, step int)")
            if what == "runs":
                await carry_out.batch_defer_async(*({"number": n} for n in range(count)))
                began = time.perf_counter()
                await work(wait=False)
                return [count / (time.perf_counter() - began)]
            due = datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS)
            at = begin.configure(schedule_at=due)
            await at.batch_defer_async(*({"due": due.timestamp()} for _ in range(count)))
            working = asyncio.create_task(work(wait=True))
            await all_begun.wait()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            return late

    return asyncio.run(main())


def _dbos(what: str, dsn: str, count: int) -> list[float]:
    from dbos import DBOS, DBOSConfig, SetEnqueueOptions  # type: ignore[import-not-found]

    url = "postgresql+psycopg://" + dsn.partition("://")[2]
    DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="ERROR"))
    late: list[float] = []

    @DBOS.step()  # type: ignore[untyped-decorator]
    async def step(number: int) -> int:
        return number

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    async def carry_out(number: int) -> None:
        for _ in range(3):
            await step(number)

    all_begun = asyncio.Event()

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    async def begin(due: float) -> None:
        late.append(time.time() - due)
        if len(late) == count:
            all_begun.set()

    async def whole_runs() -> list[float]:
        limit = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            async with limit:
                await (await DBOS.start_workflow_async(carry_out, number)).get_result()

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(count)))
        return [count / (time.perf_counter() - began)]

    async def due_at_once() -> list[float]:
        await DBOS.register_queue_async("due", worker_concurrency=50, polling_interval_sec=0.1)
        due = time.time() + AHEAD_SECONDS
        for _ in range(count):
            with SetEnqueueOptions(delay_seconds=due - time.time()):
                await DBOS.enqueue_workflow_async("due", begin, due)
        await all_begun.wait()
        return late

    async def main() -> list[float]:
        DBOS.launch()
        try:
            return await (whole_runs() if what == "runs" else due_at_once())
        finally:
            DBOS.destroy()

    return asyncio.run(main())


if __name__ == "__main__":
    act = {"procrastinate": _procrastinate, "dbos": _dbos}[sys.argv[1]]
    print(json.dumps(act(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
