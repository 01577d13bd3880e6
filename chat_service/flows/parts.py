"""What flows are made of."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.graph import Agent
from chat_service.agent.ports import Automations
from chat_service.flows.auto_pin import AutoPin
from chat_service.flows.llm_bundle import Bundles
from chat_service.flows.quota import Quota
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    engine: AsyncEngine
    clock: Clock
    agent: Agent
    automations: Automations
    bundles: Bundles
    pins: AutoPin
    quota: Quota
    # What goes on beside the turns, such as a title that comes late.
    background: set["asyncio.Task[None]"] = field(default_factory=set)
