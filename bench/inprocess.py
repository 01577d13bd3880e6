"""`python -m bench.inprocess JSON`: streams the service's graph without the service.

The same agent, model and checkpoints in a process of its own; what it says goes nowhere.
It prints `ready`, waits for a line, and prints one line of JSON as `bench.load` does. With
`UNTIL_TOLD` answers it goes on until it reads another line.
"""

import asyncio
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import orjson
import uvloop

from bench.load import AnswerTimes, Report
from chat_service.agent.agent import Agent, prepare_process
from chat_service.agent.checkpointer import open_checkpoints
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import TextDelta
from chat_service.runtime.models_file import load_models
from chat_service.runtime.ports import RuntimeContext, StartMode, ThreadMessage
from shared import resources
from shared.clock import SystemClock
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.rpc.server import tune_gc
from tests.support.agent_ports import MemoryActs, MemoryApprovals, MemoryAutomations

UNTIL_TOLD: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSpec:
    database: str
    model: str
    streams: int
    answers: int  # of each stream, one after another; or `UNTIL_TOLD`
    tokens: int
    delay: float = 0.0
    warm: int = 0  # streams before it says `ready`


@dataclass(slots=True, kw_only=True)
class GraphReport(Report):
    cpu_seconds: float


async def run(order: GraphSpec) -> GraphReport:
    prepare_process()
    register_builtins()
    async with open_checkpoints(order.database) as checkpoints:
        agent = Agent(
            checkpoints=checkpoints,
            claims=MemoryActs(),
            approvals=MemoryApprovals(),
            automations=MemoryAutomations(now=datetime.now(UTC)),
            catalogue=current_catalogue,
            clock=SystemClock(),
        )
        models = load_models(
            None,
            openai_api_key="bench",
            openai_base_url=order.model,
            default_model="bench",
            environ={},
        )
        bundle = ModelBundle(config=models[-1])
        tune_gc()
        await asyncio.gather(*(_one(agent, bundle, order) for _ in range(order.warm)))
        print("ready", flush=True)
        await _line()
        enough = _line() if order.answers == UNTIL_TOLD else None
        cpu, began = time.process_time(), time.perf_counter()
        told = await asyncio.gather(
            *(_run_stream(agent, bundle, order, enough) for _ in range(order.streams))
        )
        streams = [timed for stream in told for timed in stream]
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        return GraphReport(seconds=seconds, streams=streams, cpu_seconds=cpu)


async def _run_stream(
    agent: Agent, bundle: ModelBundle, order: GraphSpec, enough: "asyncio.Task[str] | None"
) -> list[AnswerTimes]:
    told: list[AnswerTimes] = []
    while len(told) < order.answers if enough is None else not enough.done():
        told.append(await _one(agent, bundle, order))
    return told


def _line() -> "asyncio.Task[str]":
    return asyncio.create_task(asyncio.to_thread(sys.stdin.readline))


async def _one(agent: Agent, bundle: ModelBundle, order: GraphSpec) -> AnswerTimes:
    turn = resources.new_id()
    context = RuntimeContext(
        workspace="w",
        user="ada",
        turn=turn,
        turn_name=f"workspaces/w/threads/t/turns/{turn}",
        now=datetime.now(UTC),
        time_zone="UTC",
        time_zone_assumed=True,
    )
    text = f"<<tokens={order.tokens};delay={order.delay}>> go on"
    messages = [ThreadMessage(id=str(uuid4()), role="user", parts=[{"text": text}])]
    timed, began, last = AnswerTimes(), time.perf_counter(), 0.0
    async for event in agent.stream(
        context=context, model=bundle, messages=messages, mode=StartMode.NEW
    ):
        if isinstance(event, TextDelta):
            now = time.perf_counter()
            timed.first_text = timed.first_text or now - began
            timed.worst_gap = max(timed.worst_gap, now - last if last else 0.0)
            last = now
    timed.first_frame = timed.first_text
    await agent.delete_checkpoints(turn)
    timed.end = time.perf_counter() - began
    return timed


def main() -> None:
    order = GraphSpec(**orjson.loads(sys.argv[1]))
    print(orjson.dumps(asdict(uvloop.run(run(order)))).decode(), flush=True)


if __name__ == "__main__":
    main()
