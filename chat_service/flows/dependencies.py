"""The dependencies of the flows."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.agent import Agent
from chat_service.model_selection.auto_pin import AutoPin
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.model_selection.quota import Quota
from chat_service.runtime.ports import AutomationsPort
from chat_service.runtime.timeouts import Timeouts
from chat_service.turns.burst import Burst
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDeps:
    db: AsyncEngine
    clock: Clock
    agent: Agent
    automations: AutomationsPort
    model_loader: ModelLoader
    auto_pin: AutoPin
    quota: Quota
    timeouts: Timeouts
    burst: Burst = field(default_factory=Burst)
    # Tasks that outlive their turn: the search for a title.
    background: set["asyncio.Task[None]"] = field(default_factory=set)
