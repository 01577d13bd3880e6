"""What flows are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.graph import Agent
from chat_service.agent.model import ModelConfig
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    engine: AsyncEngine
    clock: Clock
    agent: Agent
    models: Mapping[int, ModelConfig]
