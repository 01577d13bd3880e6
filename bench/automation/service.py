"""`python -m bench.automation.service OFFSET [FILE]`: the service in a process of its own.

Its settings come from the environment, as always; its clock is OFFSET seconds ahead, and its
agent answers at once. With FILE it writes there, as it ends, what its runs waited for.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import uvloop

from automation_service import bootstrap
from automation_service.settings import AutomationSettings
from bench.automation import run_waits
from shared.clock import CorrectedClock
from shared.process.stop_signals import stop_signal
from shared.rpc.server.rpc_server import tune_gc
from shared.telemetry import logs
from tests.support.service_parts.agents import FakeAgent, FixedCatalogue


async def profile(offset: timedelta, report: Path) -> None:
    waits = run_waits.watch()
    samples = asyncio.create_task(waits.sample())
    await serve(offset)
    samples.cancel()
    report.write_text(json.dumps(waits.report()))


async def serve(offset: timedelta) -> None:
    stopped = stop_signal()
    clock = CorrectedClock()
    clock.offset = offset
    async with bootstrap.service(
        AutomationSettings(), clock=clock, agent=FakeAgent(), source=FixedCatalogue()
    ):
        tune_gc()
        print("serving", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    logs.configure("bench", level="WARNING")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ahead = timedelta(seconds=float(sys.argv[1]))
        runner.run(profile(ahead, Path(sys.argv[2])) if sys.argv[2:] else serve(ahead))
