"""`python -m bench.chat.inprocess JSON`: streams the service's graph without the service.

The same agent, model and checkpoints in a process of its own; what it says goes nowhere.
It prints `ready`, waits for a line, and prints one line of JSON as `bench.chat.load` does. With
`UNTIL_TOLD` answers it goes on until it reads another line.
"""

import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import uvloop

from bench.chat import graph_load
from bench.chat.graph_load import GraphSpec
from bench.chat.load import Report
from chat_service.agent.agent import Agent, prepare_process
from chat_service.agent.checkpointer import open_checkpoints
from chat_service.bootstrap import SANDBOX_JOBS
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import TextDelta
from chat_service.runtime.models_file import load_models
from chat_service.runtime.ports import RuntimeContext, StartMode, ThreadMessage
from shared import resources
from shared.clock import SystemClock
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.rpc.server.rpc_server import tune_gc
from shared.sandbox.pool import Sandbox
from shared.validation.check_runner import CheckRunner
from tests.support.service_parts.agent_ports import MemoryActs, MemoryApprovals, MemoryAutomations


async def run(order: GraphSpec) -> Report:
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
            # Its processes start when a check costs much, as none does here.
            checks=CheckRunner(sandbox=Sandbox(module=SANDBOX_JOBS, size=1)),
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
        return await graph_load.run(order, lambda: _answer(agent, bundle, order.text))


async def _answer(agent: Agent, bundle: ModelBundle, text: str) -> AsyncIterator[str]:
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
    messages = [ThreadMessage(id=str(uuid4()), role="user", parts=[{"text": text}])]
    async for event in agent.stream(
        context=context, model=bundle, messages=messages, mode=StartMode.NEW
    ):
        if isinstance(event, TextDelta):
            yield event.text
    await agent.delete_checkpoints(turn)


def main() -> None:
    order = GraphSpec(**orjson.loads(sys.argv[1]))
    print(orjson.dumps(asdict(uvloop.run(run(order)))).decode(), flush=True)


if __name__ == "__main__":
    main()
