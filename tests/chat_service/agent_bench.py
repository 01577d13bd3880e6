"""An agent on a real database, with the demo model behind its real client."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr

from chat_service.agent.agent import Agent
from chat_service.agent.checkpointer import CheckpointStore
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.runtime.events import AgentEvent, RunPaused, TextDelta, ToolCallFinished
from chat_service.runtime.ports import RuntimeContext, TaskLimits, ThreadMessage
from chat_service.runtime.subagent import Subagent
from chat_service.tools.definition import ToolDefinition
from devstack.demo_model import DemoServer
from shared.clock import ManualClock
from shared.registries.catalogue import current_catalogue
from tests.support.service_parts.agent_ports import (
    Held,
    MemoryActs,
    MemoryApprovals,
    MemoryAutomations,
)
from tests.support.service_parts.checks import CHECKS
from tests.support.service_parts.retries import retries

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
KEY = "sk-a-key-nobody-may-see"
KEPT = {
    "display_name": "Water the plants",
    "description": "",
    "definition": {
        "goal": "Water the plants.",
        "triggers": [
            {
                "trigger_id": "t",
                "type": "schedule",
                "config": {"cron": "0 9 * * *", "timezone": "Europe/Paris"},
                "enabled": True,
            }
        ],
        "plan": [{"step_id": "s", "action": "agent_task", "config": {"prompt": "A line."}}],
    },
}


@dataclass
class Waits:
    """Sleeps that take no time, and are remembered."""

    seconds: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Bench:
    """Everything around an agent; `agent()` makes a new one, as another replica would."""

    demo: DemoServer
    checkpoints: CheckpointStore
    dsn: str
    approvals: MemoryApprovals = field(default_factory=MemoryApprovals)
    acts: MemoryActs = field(default_factory=MemoryActs)
    automations: MemoryAutomations = field(default_factory=lambda: MemoryAutomations(now=NOW))
    waits: Waits = field(default_factory=Waits)
    turn: UUID = field(default_factory=uuid4)
    time_zone: str = "Europe/Paris"
    time_zone_assumed: bool = False
    capability_tools: Sequence[ToolDefinition] = ()
    subagents: Sequence[Subagent] = ()

    def agent(self) -> Agent:
        return Agent(
            checkpoints=self.checkpoints,
            approvals=self.approvals,
            claims=self.acts,
            automations=self.automations,
            catalogue=current_catalogue,
            checks=CHECKS,
            clock=ManualClock(NOW),
            retry=retries(self.waits.sleep),
            capability_tools=lambda: self.capability_tools,
            subagents=self.subagents,
        )

    def model(self, name: str = "demo", **more: Any) -> ModelBundle:
        config = ModelConfig(
            id=-1,
            display_name=name,
            model=name,
            base_url=self.demo.base_url,
            api_key=SecretStr(KEY),
            **more,
        )
        return ModelBundle(config=config)

    def keep_automation(self) -> None:
        """Has the workspace hold one, so that chats are offered every tool."""
        self.automations.held["workspaces/dev/automations/kept"] = Held(payload=KEPT)

    def ask_at(self, base_url: str) -> None:
        """Has another provider answer from here on."""
        self.demo = replace(self.demo, base_url=base_url)

    def context(self) -> RuntimeContext:
        return RuntimeContext(
            workspace="dev",
            user="lovelace",
            turn=self.turn,
            turn_name=f"workspaces/dev/threads/t/turns/{self.turn}",
            now=NOW,
            time_zone=self.time_zone,
            time_zone_assumed=self.time_zone_assumed,
        )

    def stream(self, text: str = "", **more: Any) -> "Stream":
        agent = more.pop("agent", None) or self.agent()
        model = more.pop("model", None) or self.model()
        messages = more.pop(
            "messages", [ThreadMessage(id="m1", role="user", parts=[{"text": text}])]
        )
        return Stream(
            lambda: agent.stream(context=self.context(), model=model, messages=messages, **more)
        )

    async def all(self, text: str = "", **more: Any) -> list[AgentEvent]:
        return await self.stream(text, **more).all()

    async def paused(self, text: str, **more: Any) -> tuple[UUID, ...]:
        last = (await self.all(text, **more))[-1]
        assert isinstance(last, RunPaused)
        return last.approvals

    async def task(self, text: str, limits: TaskLimits, **more: Any) -> list[AgentEvent]:
        return await self.all(text, task=limits, **more)


@dataclass
class Stream:
    """One stream; `events` fills as it goes, whatever becomes of it."""

    start: Callable[[], Any]
    events: list[AgentEvent] = field(default_factory=list)

    async def all(self) -> list[AgentEvent]:
        async with aclosing(self.start()) as stream:
            async for event in stream:
                self.events.append(event)
        return self.events


def text_of(events: Sequence[AgentEvent], *, block: int | None = None) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta) and block in (None, e.block))


def finished(events: Sequence[AgentEvent]) -> list[ToolCallFinished]:
    return [e for e in events if isinstance(e, ToolCallFinished)]
