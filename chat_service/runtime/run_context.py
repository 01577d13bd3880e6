"""The run of an agent: shared ports, frozen context and mutable state."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    StartMode,
    TaskLimits,
    ToolCallClaims,
)
from chat_service.runtime.timeouts import Timeouts
from shared.clock import Clock
from shared.registries.catalogue import Catalogue
from shared.validation.check_runner import CheckRunner

STAMP = "rota"  # our key in a message's metadata

MAX_TOOL_IMAGE_BYTES = 28 << 20  # of data URLs, in one run

# whether a call needs an approval
ApprovalRule = Literal["always", "never"]


ThreadTitles = Callable[[str, Sequence[str]], Awaitable[Mapping[str, str]]]


async def no_titles(_: str, __: Sequence[str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeps:
    """The ports that every run of a process shares."""

    approvals: Approvals
    claims: ToolCallClaims
    automations: AutomationsPort
    catalogue: Callable[[], Catalogue]
    checks: CheckRunner
    clock: Clock
    retry: RetryPolicies
    images: Images | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    # the approval rule of each tool that chats have beside their own, by name
    rules: Callable[[], Mapping[str, ApprovalRule]] = dict
    # finds the definition of a tool that a graph does not have
    deferred: Callable[[str], Any] = lambda _: None
    models: Callable[[], Mapping[int, ModelConfig]] = dict  # those that tasks may use
    # the titles of a workspace's threads, by name; a thread that is not there has none
    thread_titles: ThreadTitles = no_titles
    # is told the workspace of an automation that was created
    note_automation: Callable[[str], None] = lambda _: None


Emit = Callable[[AgentEvent], None]


def ignore_event(_: AgentEvent) -> None:
    """Sends nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentContext:
    """The task of a subagent. `number` counts the subagent tasks of a turn from 1."""

    subagent: str
    task: str
    number: int
    tool_call_id: str  # the main agent's call, which waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Whose run it is, where it runs and within which limits.

    `segment` is the same for a run that takes over from another.
    """

    runtime: RuntimeContext
    model: ModelBundle
    task: TaskLimits | None
    segment: str
    system_prompt: str = ""
    examples: tuple[BaseMessage, ...] = ()  # sent after the prompt, and kept nowhere
    decided: tuple[UUID, ...] = ()  # approvals that were decided before the segment
    disabled: frozenset[str] = frozenset()
    # tools that the model is not offered, for there is nothing for them; a call is still answered
    withheld: frozenset[str] = frozenset()
    allowed_tools: tuple[str, ...] | None = None  # None: no limit
    subagent: SubagentContext | None = None  # None: the main agent
    mode: StartMode = StartMode.RECOVERED

    @property
    def replays(self) -> bool:
        """Whether the checkpoint's events of the segment are sent, with their usage."""
        return self.mode is not StartMode.RETRY_OTHER_MODEL

    def may_have(self, tool: str) -> bool:
        """Returns whether a deferred tool may be used. A task has all its tools from the start."""
        allowed = self.allowed_tools is None or tool in self.allowed_tools
        return self.task is None and tool not in self.disabled and allowed

    def stamp(self, **more: Any) -> dict[str, Any]:
        return {"segment": self.segment, **more}


@dataclass(slots=True, kw_only=True)
class RunState:
    """What changes while a run streams."""

    next_block: int = 0
    tool_call_ids: set[str] = field(default_factory=set)
    finished_calls: set[str] = field(default_factory=set)  # by tool call id; their end was sent
    self_metered_calls: set[str] = field(default_factory=set)  # tool calls that send their usage
    images: dict[str, str | None] = field(default_factory=dict)  # data URLs by reference
    # images of tool results as data URLs, by tool call id; gone with the run
    tool_images: dict[str, list[str]] = field(default_factory=dict)
    repairs: dict[str, list[str]] = field(default_factory=dict)  # of arguments, by tool call id
    earlier_images_refused: bool = False  # only the present message's images are sent
    max_tokens: int | None = None  # of messages; set when the provider refuses more
    meter: Meter = field(default_factory=Meter)

    def keep_tool_images(self, tool_call_id: str, images: list[str]) -> None:
        """Keeps the images of a result. Above MAX_TOOL_IMAGE_BYTES the oldest are dropped."""
        self.tool_images[tool_call_id] = images
        kept = sum(len(image) for found in self.tool_images.values() for image in found)
        while kept > MAX_TOOL_IMAGE_BYTES:
            oldest = self.tool_images.pop(next(iter(self.tool_images)))
            kept -= sum(map(len, oldest))

    def open_block(self) -> int:
        block = self.next_block
        self.next_block += 1
        return block

    def close_empty_block(self) -> None:
        self.next_block -= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRun:
    """One stream of an agent; LangGraph's context of its graph."""

    deps: AgentDeps
    context: RunContext
    state: RunState = field(default_factory=RunState)
    emit: Emit = ignore_event  # to the stream of the turn


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


def repairs_of(message: BaseMessage) -> dict[str, list[str]]:
    """Returns what was done to the arguments of a message's tool calls, by tool call id."""
    return stamp_of(message).get("repairs") or {}


def cost_micros_of(messages: Sequence[BaseMessage]) -> int:
    return sum(
        stamp_of(message).get("used", {}).get("cost_micros", 0)
        for message in messages
        if isinstance(message, AIMessage)
    )
