"""Tools that tests of subagents progress, and how a test has subagents use them."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import AgentEvent, StepChanged
from chat_service.tools.capability_tool import approval_tool
from chat_service.tools.definition import ToolDefinition
from shared import errors
from shared.registries.capabilities.types import Capability
from tests.chat_service.agent_bench import Bench, Stream
from tests.support.model_providers.scripted_model import Reply, call, calls, ends


@dataclass
class Hands:
    """What tools did. `look` never asks, `write` always does; `gate` holds `look` up."""

    looked: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    on_look: Callable[[], object] = bool

    def tools(self) -> list[ToolDefinition]:
        return [
            _definition("look", "at", self._look, asks=False),
            _definition("write", "text", self._write, asks=True),
        ]

    async def _look(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["at"] == "nothing":
            raise errors.RotaError("there is nothing to see")
        self.looked.append(arguments["at"])
        self.on_look()
        if self.gate is not None:
            await self.gate.wait()
        return {"seen": arguments["at"]}

    async def _write(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.written.append(arguments["text"])
        return {"wrote": arguments["text"]}


def _definition(name: str, argument: str, handler: Any, *, asks: bool) -> ToolDefinition:
    capability = Capability(
        id=name,
        description=f"Can {name}.",
        input_schema={
            "type": "object",
            "properties": {argument: {"type": "string"}},
            "required": [argument],
        },
        output_schema={"type": "object"},
        handler=handler,
    )
    return ToolDefinition(
        name=name,
        factory=lambda run: approval_tool(run, capability, ask=asks),
        approval="always" if asks else "never",
    )


def delegating(*tasks: str, also: Sequence[dict[str, Any]] = ()) -> str:
    wanted = [
        {"name": "delegate", "args": {"subagent": "researcher", "task": task}} for task in tasks
    ]
    # a directive inside a directive is escaped
    asked = json.dumps([*wanted, *also]).replace("<", "\\u003c").replace(">", "\\u003e")
    return f"go <<calls={asked}>>"


def using(tool: str, **arguments: str) -> str:
    return f"use {tool} <<calls={json.dumps([{'name': tool, 'args': arguments}])}>>"


def steps(events: Sequence[AgentEvent]) -> list[StepChanged]:
    return [event for event in events if isinstance(event, StepChanged)]


def uses(events: Sequence[AgentEvent]) -> int:
    return len([event for event in events if isinstance(event, ModelUsage)])


async def threads(bench: Bench) -> set[str]:
    async with await psycopg.AsyncConnection.connect(bench.dsn) as connection:
        found = await connection.execute(
            "select distinct thread_id from chat.checkpoints where thread_id like %s",
            [f"{bench.turn}%"],
        )
        return {row[0] for row in await found.fetchall()}


def one_call(name: str, index: int, **arguments: str) -> Reply:
    return [calls(call(name, json.dumps(arguments), index=0, id=f"c{index}")), ends("tool_calls")]


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def crashed(stream: Stream, condition: Any) -> list[AgentEvent]:
    """What a replica told before it died, which it does when the condition holds."""
    task = asyncio.create_task(stream.all())
    await until(condition)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return stream.events
