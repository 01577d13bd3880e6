"""An action type, and the port through which its handler reaches an agent."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

ConfigModel = type[BaseModel]
# Called with a position and a few words on what the agent does. A repeat has the same position.
Progress = Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What models used; cost in millionths of a US dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0  # among input_tokens
    cost_micros: int = 0
    model_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTask:
    """One task for an agent. The same `request_id` never starts a second one."""

    request_id: str
    workspace: str
    on_behalf_of: str
    prompt: str
    tools: tuple[str, ...] = ()
    model: str = ""  # empty: chosen by the agent
    output_schema: dict[str, Any] | None = None
    budget_micros: int = 0  # 0: no limit
    auto_approve: bool = False
    time_zone: str = ""  # empty: UTC
    session_started: Callable[[str], Awaitable[None]] | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """`output` is a JSON object when the task had an output schema, else None."""

    session_id: str
    text: str
    output: dict[str, Any] | None = None
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierOutput:
    """What a step gave in the last run that succeeded, or that run where the step gave nothing.

    Date and time are those of the run's slot, in the time zone of the run that asks.
    """

    output: Any
    local_date: str
    local_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastOutput:
    """What a run gave last before a step: the output, and the step that gave it.

    `step_id` is empty for what no step gave, such as the text of a failure.
    """

    output: Any
    step_id: str = ""


BodyFormat = Literal["markdown", "text", "json"]
DeliveryCondition = Literal["always", "changed", "when_not_empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRequest:
    """One text for one destination. `id` follows from run, step and destination.

    One of what `changed` is left out when its destination had the same `content_digest` last. One
    that `is_empty` is left out too; both are listed.
    """

    id: UUID
    destination: str
    subject: str
    body: str
    format: BodyFormat
    condition: DeliveryCondition
    content_digest: str
    output_step_id: str = ""  # whose output the body is; empty: it is a text of its own
    is_empty: bool = False


class TaskAgent(Protocol):
    """Runs tasks to their end. A task that fails raises an error of shared.errors."""

    async def run_task(self, request: AgentTask) -> AgentResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionContext:
    """The run that a handler serves, and its ports."""

    agent: TaskAgent
    workspace: str
    user: str
    run: str
    step_id: str
    request_id: str  # `{run}:{step}:{try}`, the same after a crash
    record_session: Callable[[str], Awaitable[None]]
    budget_micros_left: int | None = None  # None: the run has no cap
    time_zone: str = "UTC"
    progress: Progress | None = None
    # What the step gave in the last run; None without one.
    find_earlier: Callable[[], Awaitable[EarlierOutput | None]] | None = None
    automation: str = ""  # the last segment of its name
    display_name: str = ""  # of the automation
    local_date: str = ""  # of the run's slot, in time_zone
    last_output: LastOutput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """`session_id` is set by agent steps only. `deliveries` are stored with the result."""

    output: Any
    session_id: str | None = None
    usage: Usage = Usage()
    deliveries: tuple[DeliveryRequest, ...] = ()


ActionHandler = Callable[[dict[str, Any], ActionContext], Awaitable[ActionResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDefinition:
    """`config_model` says what `config_schema` can't; without it the schema alone decides.

    A config member `tools` is read as ids of capabilities, for every action type. What is
    written and what comes of its templates may have different limits: `rendered_model` checks a
    rendered config (absent: `config_model`), and `cut_texts` has the most bytes of each text that
    is cut when it is longer, by its path in the config. `describe_output` gives the JSON Schema
    of the output of a step with that config; absent: any value. The output of an action that
    `gives_output` is the output of a run whose last such step it is; that of another only tells
    what the step did. `needs_output` says whether a step with that config takes what such a step
    before it gave.
    """

    type: str
    name: str
    description: str
    config_schema: dict[str, Any]
    handler: ActionHandler
    config_model: ConfigModel | None = None
    rendered_model: ConfigModel | None = None
    cut_texts: Mapping[str, int] = field(default_factory=dict)
    describe_output: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    gives_output: bool = True
    needs_output: Callable[[Mapping[str, Any]], bool] | None = None
