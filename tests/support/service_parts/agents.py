"""An agent that keeps the port's promises, and does what a test tells it to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from automation_service.automations.capability_cache import CapabilityList
from shared import errors
from shared.registries.actions.types import AgentResult, AgentTask, Usage
from shared.registries.capabilities.types import Capability

Act = Callable[[AgentTask], Awaitable[AgentResult]]


def answer(
    text: str = "done", *, cost: int = 0, output: dict[str, Any] | None = None
) -> AgentResult:
    usage = Usage(input_tokens=10, output_tokens=5, cost_micros=cost, model_calls=1)
    return AgentResult(session_id="session-1", text=text, output=output, usage=usage)


@dataclass(slots=True)
class FakeAgent:
    """The same request_id attaches to the running task or replays its end, however it ended.

    `act` does the work of a task; it goes on when its caller goes away, until it is cancelled.
    """

    act: Act | None = None
    begun: list[AgentTask] = field(default_factory=list)
    calls: list[AgentTask] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    # What a task that is stopped used.
    used: Callable[[AgentTask], Usage | None] | None = None
    _tasks: dict[str, "asyncio.Task[AgentResult]"] = field(default_factory=dict)

    async def run_task(self, request: AgentTask) -> AgentResult:
        self.calls.append(request)
        if request.request_id in self.cancelled:
            raise errors.Cancelled("the task was cancelled")
        task = self._tasks.get(request.request_id)
        if task is None:
            self.begun.append(request)
            task = asyncio.create_task(self._work(request))
            self._tasks[request.request_id] = task
        if request.session_started is not None:
            await request.session_started("session-1")
        return await asyncio.shield(task)

    async def cancel_task(self, request: AgentTask) -> Usage | None:
        self.cancelled.add(request.request_id)
        if task := self._tasks.get(request.request_id):
            task.cancel()
        return self.used(request) if self.used is not None else Usage()

    async def _work(self, request: AgentTask) -> AgentResult:
        if self.act is None:
            return answer(f"did: {request.prompt}")
        return await self.act(request)


@dataclass(slots=True)
class Gate:
    """An act that waits until it is opened."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: AgentTask) -> AgentResult:
        self.entered.set()
        await self.opened.wait()
        return answer("at last")


class FixedCatalogue:
    """A catalogue of two capabilities that never changes."""

    async def capabilities(self, known_version: str) -> CapabilityList | None:
        if known_version == "1":
            return None
        names = ("fetch_url", "now")
        return CapabilityList(
            version="1",
            entries={
                name: Capability(
                    id=name,
                    description=name,
                    input_schema={"type": "object"},
                    output_schema={"type": "object"},
                )
                for name in names
            },
        )


class NoCatalogue:
    """chat_service was never there."""

    async def capabilities(self, known_version: str) -> CapabilityList | None:
        raise errors.PeerUnavailable("chat_service")
