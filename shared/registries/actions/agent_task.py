"""`agent_task`: a prompt carried out by an agent, with nobody watching."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from shared.definition.fields import Block, Flag, JsonObject, Text, require_words
from shared.json import json_schema
from shared.registries.actions.memory import add_memory
from shared.registries.actions.types import ActionContext, ActionDefinition, ActionResult, AgentTask

MAX_PROMPT = 8_000  # characters, as it is written
MAX_RENDERED_PROMPT = 64 << 10  # bytes, as it is given to the agent
MAX_TOOLS = 32


def _unique(tools: list[str]) -> list[str]:
    if len(set(tools)) != len(tools):
        raise ValueError("each tool may be named once")
    return tools


def _is_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if problem := json_schema.find_problem(schema):
        raise ValueError(problem)
    if schema.get("type", "object") != "object":
        raise ValueError("the answer is a JSON object; type must be object")
    return schema


class AgentTaskActionConfig(Block):
    prompt: Annotated[
        Text,
        Field(min_length=1, max_length=MAX_PROMPT, description="template of the task"),
        AfterValidator(require_words),
    ]
    tools: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=200)]],
        Field(max_length=MAX_TOOLS, description="ids of capabilities"),
        AfterValidator(_unique),
    ] = Field(default_factory=list)
    model: Annotated[
        Annotated[Text, Field(max_length=200)] | None,
        Field(description="model configuration; absent: chosen"),
    ] = None
    output_schema: Annotated[
        Annotated[JsonObject, AfterValidator(_is_schema)] | None,
        Field(description="JSON Schema of the answer; absent: free text"),
    ] = None
    auto_approve: Annotated[Flag, Field(description="false: a wanted approval fails the task")] = (
        False
    )
    memory: Annotated[
        Annotated[Literal["previous"], WithJsonSchema({"type": "string", "enum": ["previous"]})]
        | None,
        Field(description="previous: the agent is told what the step gave in the last run"),
    ] = None


class RenderedAgentTaskConfig(AgentTaskActionConfig):
    """The config with its templates filled in: the prompt may be longer than what is written."""

    prompt: Annotated[
        Text,
        Field(min_length=1, max_length=MAX_RENDERED_PROMPT),
        AfterValidator(require_words),
    ]


async def run_agent_task(config: dict[str, Any], context: ActionContext) -> ActionResult:
    """The output is the answer's text, or its JSON object when a schema was given."""
    parsed = RenderedAgentTaskConfig.model_validate(config)
    if parsed.memory is not None and context.find_earlier is not None:
        prompt = add_memory(parsed.prompt, await context.find_earlier())
        parsed = parsed.model_copy(update={"prompt": prompt})
    result = await context.agent.run_task(_task(parsed, context))
    await context.record_session(result.session_id)
    output = result.text if parsed.output_schema is None else result.output
    return ActionResult(output=output, session_id=result.session_id, usage=result.usage)


def describe_output(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema of the answer: that of the config, or that of a text."""
    schema = config.get("output_schema")
    return schema if isinstance(schema, dict) else {"type": "string"}


def _budget(left: int | None) -> int:
    # 0 would mean no limit, which a spent budget is not
    return 0 if left is None else max(left, 1)


def _task(config: AgentTaskActionConfig, context: ActionContext) -> AgentTask:
    return AgentTask(
        request_id=context.request_id,
        workspace=context.workspace,
        on_behalf_of=context.user,
        prompt=config.prompt,
        tools=tuple(config.tools),
        model=config.model or "",
        output_schema=config.output_schema,
        budget_micros=_budget(context.budget_micros_left),
        auto_approve=config.auto_approve,
        time_zone=context.time_zone,
        session_started=context.record_session,
        progress=context.progress,
    )


AGENT_TASK = ActionDefinition(
    type="agent_task",
    name="Agent task",
    description="An agent carries out a prompt with the tools it is given.",
    config_schema=AgentTaskActionConfig.model_json_schema(),
    handler=run_agent_task,
    config_model=AgentTaskActionConfig,
    rendered_model=RenderedAgentTaskConfig,
    describe_output=describe_output,
    cut_texts={"prompt": MAX_RENDERED_PROMPT},
)
