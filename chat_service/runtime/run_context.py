"""What one stream of an agent knows and counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.metering import Meter
from chat_service.llm.retry import RetryPolicies
from chat_service.runtime.events import AgentEvent
from chat_service.runtime.ports import (
    Approvals,
    AutomationsPort,
    Images,
    RuntimeContext,
    TaskLimits,
    ToolCallClaims,
)
from chat_service.runtime.timing import Timing
from shared.clock import Clock
from shared.registries.catalogue import Catalogue

STAMP = "rota"  # our key in a message's metadata

# whether a call needs an approval
ApprovalRule = Literal["always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeps:
    """What every stream of a process shares."""

    approvals: Approvals
    claims: ToolCallClaims
    automations: AutomationsPort
    catalogue: Callable[[], Catalogue]
    clock: Clock
    retry: RetryPolicies
    images: Images | None = None
    timing: Timing = field(default_factory=Timing)
    # how each tool that is offered beside chat's own acts, by name
    rules: Callable[[], Mapping[str, ApprovalRule]] = dict
    # the definition of a tool that a graph does not have; see late_tools.py
    late: Callable[[str], Any] = lambda _: None
    models: Callable[[], Mapping[int, ModelConfig]] = dict  # those that tasks may have


Emit = Callable[[AgentEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentContext:
    """What a subagent works on. `number` counts the tasks of a turn from 1."""

    subagent: str
    task: str
    number: int
    tool_call_id: str  # the main agent's call, which waits for it


@dataclass(slots=True, kw_only=True)
class AgentRun:
    """One stream. `segment` is the same for a stream that takes over from another."""

    deps: AgentDeps
    context: RuntimeContext
    model: ModelBundle
    task: TaskLimits | None
    segment: str
    next_block: int
    taken: set[str] = field(default_factory=set)
    images: dict[str, str | None] = field(default_factory=dict)  # data URLs by reference
    earlier_refused: bool = False  # images of earlier messages are named only
    most_tokens: int | None = None  # of messages, as a provider that refused more has taught
    told: set[str] = field(default_factory=set)  # tool calls whose end was told
    decided: tuple[UUID, ...] = ()  # approvals that were decided before the segment
    disabled: frozenset[str] = frozenset()
    only: tuple[str, ...] | None = None  # the names that a subagent is held to
    # whether what a checkpoint holds of the segment is told, and counted, once more
    replays: bool = True
    fresh: bool = False  # nothing of the turn was ever checkpointed
    accounted: set[str] = field(default_factory=set)  # tool calls that tell their own usage
    assigned: SubagentContext | None = None  # None: the main agent
    meter: Meter = field(default_factory=Meter)
    system_prompt: str = ""

    def open_block(self) -> int:
        block = self.next_block
        self.next_block += 1
        return block

    def close_empty_block(self) -> None:
        self.next_block -= 1

    def may_have(self, tool: str) -> bool:
        """Whether a tool that comes late may be its. A task has all of its own from the start."""
        held = self.only is not None and tool not in self.only
        return self.task is None and tool not in self.disabled and not held

    def stamp(self, **more: Any) -> dict[str, Any]:
        return {"segment": self.segment, **more}


def segment_key(resume: Sequence[UUID]) -> str:
    return ",".join(sorted(map(str, resume)))


def stamp_of(message: BaseMessage) -> dict[str, Any]:
    """Returns our stamp on a message; empty for messages of the history."""
    if isinstance(message, ToolMessage):
        return message.artifact if isinstance(message.artifact, dict) else {}
    found: dict[str, Any] = message.response_metadata.get(STAMP) or {}
    return found


def unreadable_of(message: BaseMessage) -> dict[str, str]:
    """Returns the unreadable arguments of a message by tool call id."""
    return stamp_of(message).get("unreadable") or {}


def cost_micros_of(messages: Sequence[BaseMessage]) -> int:
    return sum(
        stamp_of(message).get("used", {}).get("cost_micros", 0)
        for message in messages
        if isinstance(message, AIMessage)
    )
