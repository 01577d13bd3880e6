"""`delegate`: runs a subagent on a task, on its own thread, while the main agent waits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import interrupt

from chat_service.agent.checkpointer import MAX_SUBAGENT_RUNS, CheckpointStore, thread_id
from chat_service.agent.graphs import GraphCache
from chat_service.agent.subagent_run import SubagentAnswer, SubagentPause, SubagentRun
from chat_service.llm.usage import ModelUsage
from chat_service.prompts.load import load_prompt
from chat_service.runtime.events import AgentEvent, Retrying, StepChanged
from chat_service.runtime.prompt_context import prompt_header
from chat_service.runtime.run_context import AgentRun, Emit, SubagentContext, stamp_of
from chat_service.runtime.subagent import RESEARCHER, Subagent
from chat_service.tools.definition import ToolDefinition, ToolResult
from chat_service.tools.results import ArgumentsInvalid, SubagentReport, ToolFailed, to_result
from shared.db.storable_text import clean

NAME: Final = "delegate"
MAX_TASK: Final = 8_000
MAX_ANSWER: Final = 32_000  # characters, of what the main agent reads

Tools = Callable[[], Sequence[ToolDefinition]]


def delegate_tool(
    subagents: Sequence[Subagent], checkpoints: CheckpointStore, graphs: GraphCache, tools: Tools
) -> ToolDefinition:
    """Defines the tool. `tools` are the capabilities and MCP tools that subagents may use."""
    named = {one.name: one for one in subagents}
    description = load_prompt(
        f"{NAME}/description",
        subagents="\n".join(f"- `{one.name}`: {one.description}" for one in subagents),
    )

    def factory(run: AgentRun) -> BaseTool:
        async def call(runtime: ToolRuntime[Any, Any], **given: Any) -> tuple[str, dict[str, Any]]:
            result = _read(named, runtime, given)
            if isinstance(result, SubagentContext):
                subagent = named[result.subagent]
                turn = run.context.runtime.turn
                its = _subagent_run(run, subagent, result)
                offered = [tool for tool in tools() if _has(subagent, tool.name, run)]
                subagent_run = SubagentRun(
                    run=its,
                    graph=graphs.graph(its, offered, checkpoints.checkpointer(turn)),
                    thread=thread_id(turn, result.number),
                    emit=run.emit,
                )
                result = await _execute(run, subagent_run, result)
            return result.to_langchain()

        return StructuredTool(
            name=NAME,
            description=description,
            args_schema=_schema(list(named)),
            coroutine=call,
            response_format="content_and_artifact",
        )

    # the example is of the default subagent
    return ToolDefinition(
        name=NAME, factory=factory, approval="never", has_example=RESEARCHER in named
    )


def _schema(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "subagent": {"type": "string", "enum": list(names), "description": "who does it"},
            "task": {"type": "string", "description": "everything it needs to know"},
        },
        "required": ["subagent", "task"],
        "additionalProperties": False,
    }


def _read(
    named: Mapping[str, Subagent],
    runtime: ToolRuntime[Any, Any],
    given: Mapping[str, Any],
) -> SubagentContext | ToolResult:
    """Returns the subagent's task, or a result that says what is wrong with the call."""
    name, task = given.get("subagent"), given.get("task")
    issues = []
    if name not in named:
        issues.append(f"subagent: is one of {', '.join(named)}")
    if not isinstance(task, str) or not 1 <= len(task.strip()) <= MAX_TASK:
        issues.append(f"task: a text of 1 to {MAX_TASK:,} characters is needed")
    if issues:
        return to_result(ArgumentsInvalid(issues=issues))
    number = _number(runtime.state["messages"], str(runtime.tool_call_id))
    if number > MAX_SUBAGENT_RUNS:
        return to_result(
            ToolFailed(message=f"a turn has at most {MAX_SUBAGENT_RUNS} tasks of subagents")
        )
    return SubagentContext(
        subagent=str(name),
        task=clean(str(task)).strip(),
        number=number,
        tool_call_id=str(runtime.tool_call_id),
    )


def _number(messages: Sequence[BaseMessage], tool_call_id: str) -> int:
    """Returns the place of the call among the turn's `delegate` calls, from 1."""
    calls = [
        call["id"]
        for message in messages
        if isinstance(message, AIMessage) and stamp_of(message)
        for call in message.tool_calls
        if call["name"] == NAME
    ]
    return calls.index(tool_call_id) + 1


def _subagent_run(run: AgentRun, subagent: Subagent, task: SubagentContext) -> AgentRun:
    header = prompt_header(run.context.runtime)
    return replace(
        run,
        context=replace(
            run.context,
            subagent=task,
            allowed_tools=subagent.tools,
            withheld=frozenset(),
            examples=(),
            system_prompt=load_prompt(
                "subagent", instructions=subagent.instructions, header=header
            ),
        ),
        # the meter and the loaded images are the main agent's too
        state=replace(
            run.state,
            next_block=0,
            tool_call_ids=set(),
            finished_calls=set(),
            self_metered_calls=set(),
            tool_images={},
        ),
        emit=_emit_shown(run.emit),
    )


def _has(subagent: Subagent, tool: str, run: AgentRun) -> bool:
    return subagent.may_use(tool) and tool not in run.context.disabled


def _emit_shown(emit: Emit) -> Emit:
    """Returns what sends those of a subagent's events that belong to the turn's stream."""

    def emit_shown(event: AgentEvent) -> None:
        if isinstance(event, ModelUsage | Retrying | StepChanged):
            emit(event)

    return emit_shown


async def _execute(
    run: AgentRun, subagent_run: SubagentRun, assigned: SubagentContext
) -> ToolResult:
    run.state.self_metered_calls.add(assigned.tool_call_id)
    while True:
        match await subagent_run.execute():
            case SubagentPause(approvals=approvals):
                # returns at once if an earlier pause was answered: the loop reads the state again
                waited = [str(approval) for approval in approvals]
                interrupt({"approvals": waited, "segment": run.context.segment})
            case SubagentAnswer(text="", spent=spent):
                failed = ToolFailed(message=f"the {assigned.subagent} gave no answer")
                return replace(to_result(failed), spent=spent)
            case SubagentAnswer(text=text, spent=spent):
                reported = SubagentReport(
                    subagent=assigned.subagent,
                    answer=text[:MAX_ANSWER],
                    truncated=len(text) > MAX_ANSWER,
                )
                return replace(to_result(reported), spent=spent)
