"""`python -m bench.automation_service OFFSET`: the service in a process of its own.

Its settings come from the environment, as always; its clock is OFFSET seconds ahead, and its
agent answers at once.
"""

import asyncio
import sys
from datetime import timedelta

import uvloop

from automation_service import bootstrap
from automation_service.settings import AutomationSettings
from shared.clock import CorrectedClock
from shared.rpc.server import stop_signal, tune_gc
from shared.telemetry import logs
from tests.support.agents import FakeAgent, FixedCatalogue


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
        runner.run(serve(timedelta(seconds=float(sys.argv[1]))))
