"""The events of an agent's stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from chat_service.llm.usage import ModelUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    block: int  # from 0, one a model call
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    block: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStarted:
    block: int
    tool_call_id: str  # unique in the turn, whatever the provider sent
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallArgs:
    tool_call_id: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallFinished:
    tool_call_id: str
    ok: bool
    output: Mapping[str, Any]
    resource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChanged:
    """A subagent's step. A later one with the same id replaces it."""

    id: str  # unique in the turn
    title: str
    items: tuple[str, ...] = ()
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """`metadata` has what the provider named, as in the metadata of its error."""

    after: timedelta
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRetracted:
    """Blocks from `from_block` on are void; new blocks replace them."""

    from_block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused:
    """The last event of a stream that waits for decisions on these stored approvals."""

    approvals: tuple[UUID, ...]


AgentEvent = (
    TextDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolCallArgs
    | ToolCallFinished
    | StepChanged
    | Retrying
    | TextRetracted
    | ModelUsage
    | RunPaused
)
