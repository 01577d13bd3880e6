"""The agent: streams the events of one segment of a turn."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from contextvars import Context
from dataclasses import replace
from typing import Any, Final, cast
from uuid import UUID

import langsmith
import psycopg
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot
from langsmith import utils as langsmith_utils
from psycopg_pool import PoolTimeout

from chat_service.agent import checkpoint_usage, history, stream_events
from chat_service.agent.checkpoint_usage import CheckpointUsage
from chat_service.agent.checkpointer import CheckpointStore, thread_id
from chat_service.agent.delegate import delegate_tool
from chat_service.agent.graphs import Graph, GraphCache, graph_config
from chat_service.agent.resume_state import ResumeState, messages_of
from chat_service.agent.structured_output import find_output
from chat_service.agent.toolset import MAIN_AGENT, DeferredTools, select_tools
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.errors import BAD_OUTPUT
from chat_service.llm.metering import Meter
from chat_service.llm.retry import RetryPolicies
from chat_service.prompts.examples import read_examples
from chat_service.prompts.load import load_prompt
from chat_service.runtime.event_queue import EventQueue
from chat_service.runtime.events import AgentEvent, RunPaused, TextRetracted
from chat_service.runtime.ports import (
    Approvals,
    AutomationsPort,
    Images,
    RuntimeContext,
    StartMode,
    TaskLimits,
    ThreadMessage,
    ToolCallClaims,
)
from chat_service.runtime.prompt_context import prompt_header, yesterday_at_9
from chat_service.runtime.run_context import (
    STAMP,
    AgentDeps,
    AgentRun,
    Emit,
    RunContext,
    RunState,
    ThreadTitles,
    no_titles,
    segment_key,
    stamp_of,
)
from chat_service.runtime.subagent import Subagent
from chat_service.runtime.timeouts import Timeouts
from chat_service.tools.automations.changes import create
from chat_service.tools.automations.presence import AutomationPresence
from chat_service.tools.definition import ToolDefinition
from shared import errors
from shared.clock import Clock
from shared.registries.catalogue import Catalogue
from shared.validation.check_runner import CheckRunner

NO_AUTOMATIONS: Final = "Automations in the workspace: none before this message"


def prepare_process() -> None:
    """Turns off tracing and code from checkpoints. Call it once, before the first agent."""
    os.environ["LANGSMITH_TRACING"] = "false"
    os.environ["LANGCHAIN_TRACING_V2"] = "false"
    os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
    # langsmith caches environment variables
    cast(Any, langsmith_utils.get_env_var).cache_clear()
    # Tracing is off, but langsmith would still run four functions a model call in threads.
    langsmith.set_runtime_overrides(aio_to_thread=_run_inline)


async def _run_inline(
    _: Any, context: Context, function: Callable[..., Any], /, *args: Any, **named: Any
) -> Any:
    """Runs a function in this thread instead of another one."""
    return context.run(function, *args, **named)


class Agent:
    """Runs agents on turns, and deletes their checkpoints. A process has one Agent."""

    def __init__(
        self,
        *,
        checkpoints: CheckpointStore,
        approvals: Approvals,
        claims: ToolCallClaims,
        automations: AutomationsPort,
        catalogue: Callable[[], Catalogue],
        checks: CheckRunner,
        clock: Clock,
        retry: RetryPolicies | None = None,
        images: Images | None = None,
        capability_tools: Callable[[], Sequence[ToolDefinition]] = tuple,
        subagents: Sequence[Subagent] = (),
        models: Mapping[int, ModelConfig] | None = None,
        may_appear_later: Callable[[str], bool] = lambda _: False,
        timeouts: Timeouts | None = None,
        thread_titles: ThreadTitles = no_titles,
    ) -> None:
        """`capability_tools` returns the tools of capabilities and MCP servers.

        `may_appear_later` returns whether a missing tool may belong to an MCP server that was
        never reached.
        """
        self._checkpoints = checkpoints
        self._graphs = GraphCache()
        self._start_lock = asyncio.Lock()
        self._capability_tools = capability_tools
        self._may_appear_later = may_appear_later
        self._chat_tools: tuple[ToolDefinition, ...] = MAIN_AGENT
        if subagents:
            self._chat_tools += (
                delegate_tool(subagents, checkpoints, self._graphs, capability_tools),
            )
        self._presence = AutomationPresence(automations)
        self._deps = AgentDeps(
            approvals=approvals,
            claims=claims,
            automations=automations,
            catalogue=catalogue,
            checks=checks,
            clock=clock,
            retry=retry or RetryPolicies(),
            images=images,
            timeouts=timeouts or Timeouts(),
            models=lambda: models or {},
            thread_titles=thread_titles,
            note_automation=self._presence.note_automation,
            rules=lambda: {tool.name: tool.approval for tool in capability_tools()},
            deferred=DeferredTools(
                capability_tools=capability_tools, may_appear_later=may_appear_later
            ),
        )

    async def stream(
        self,
        *,
        context: RuntimeContext,
        model: ModelBundle,
        messages: Sequence[ThreadMessage],
        decided_approvals: Sequence[UUID] = (),
        task: TaskLimits | None = None,
        disabled_tools: Collection[str] = (),
        first_block: int = 0,
        mode: StartMode = StartMode.RECOVERED,
        meter: Meter | None = None,
    ) -> AsyncGenerator[AgentEvent, None]:
        """Streams one segment of a turn, from its start or from its checkpoint.

        `messages` ends with the message to answer; they are read only if the turn has no
        checkpoint. `decided_approvals` are those of a segment that resumes after a pause; a
        recovered segment passes the same.

        What a segment streams first, by `mode`:

        - NEW: new events. The turn has no checkpoint, and none is read.
        - RESUMED, RECOVERED: TextRetracted(from_block=0) if `first_block` is above 0, then the
          checkpoint's events of this segment, if any, in new blocks and with their usage.
          A segment of which the checkpoint holds nothing yet retracts and replays nothing after a
          pause.
        - RETRY_OTHER_MODEL: new events. The caller has sent the checkpoint's events.

        `meter` counts the usage of each model call, also of one that is cut off. A call has the
        same id in the meter and in its event.

        A pause ends the stream with RunPaused. Raises errors of shared.errors: ModelRateLimited
        (after the text of the failed call is retracted), ModelUnavailable, ApprovalsUndecided,
        StateConflict when there is nothing to resume, BudgetExceeded, CapabilityGone,
        ApprovalNotGranted, ServiceUnavailable. Closing the stream, or cancelling its consumer,
        stops the model.
        """
        run = RunContext(
            runtime=context,
            model=model,
            task=task,
            segment=segment_key(decided_approvals),
            decided=tuple(decided_approvals),
            disabled=frozenset(disabled_tools),
            mode=mode,
        )
        state = RunState(next_block=first_block, meter=meter or Meter())
        async with (
            _database_faults(),
            aclosing(self._stream_segment(run, state, messages)) as events,
        ):
            async for event in events:
                yield event

    async def read_usage(
        self,
        *,
        context: RuntimeContext,
        model: ModelBundle,
        decided_approvals: Sequence[UUID] = (),
        task: TaskLimits | None = None,
        checkpointed: bool = True,
    ) -> CheckpointUsage:
        """Returns the usage of a segment whose process died, from its checkpoints.

        With `checkpointed=False` the turn has no checkpoint, and the database is not read.
        """
        run = self._with_prompt(
            RunContext(
                runtime=context, model=model, task=task, segment=segment_key(decided_approvals)
            )
        )
        if not checkpointed:
            return checkpoint_usage.empty_usage(run)
        async with _database_faults():
            return await checkpoint_usage.read_usage(run, self._checkpoints)

    def start_reads(self, workspace: str, user: str) -> None:
        """Has `stream` wait less for what a chat's tools depend on. Returns at once."""
        self._presence.start_read(workspace, user)

    async def delete_checkpoints(self, turn: UUID) -> None:
        """Deletes the checkpoints of a turn that has ended."""
        async with _database_faults():
            await self._checkpoints.delete(turn)

    async def _stream_segment(
        self, context: RunContext, state: RunState, messages: Sequence[ThreadMessage]
    ) -> AsyncGenerator[AgentEvent, None]:
        queue = EventQueue()
        run, graph = await self._start(await self._with_offer(context), state, queue.put)
        context, config = run.context, graph_config(thread_id(context.runtime.turn))
        snapshot = None if context.mode is StartMode.NEW else await graph.aget_state(config)
        if snapshot is None or snapshot.created_at is None:
            if context.decided:
                raise errors.StateConflict(context.runtime.turn_name, "not waiting for a decision")
            if context.replays and state.next_block > 0:
                yield TextRetracted(from_block=0)
            context_tokens = context.model.config.context_tokens
            graph_input: Any = {"messages": history.to_model_messages(messages, context_tokens)}
        else:
            resume_state = ResumeState.from_snapshot(snapshot, context)
            if context.replays and not resume_state.first_resume:
                for event in resume_state.replay_events(run):
                    yield event
            if resume_state.is_suspended:
                yield RunPaused(approvals=resume_state.undecided)
                return
            graph_input = resume_state.resume_input()
            if graph_input is None and not snapshot.next:
                graph_input = await _correction(snapshot, context, self._deps.checks)
                if graph_input is None:
                    return
                yield TextRetracted(from_block=state.next_block - 1)
        async with aclosing(self._run_graph(graph, config, run, graph_input, queue)) as events:
            async for event in events:
                yield event

    async def _run_graph(
        self,
        graph: Graph,
        config: RunnableConfig,
        run: AgentRun,
        graph_input: Any,
        queue: EventQueue,
    ) -> AsyncGenerator[AgentEvent, None]:
        """Runs the graph until it pauses or its answer is accepted."""
        while True:
            reader = stream_events.StreamEvents(run)
            parts = graph.astream(
                graph_input,
                config,
                context=run,
                stream_mode=["updates"],
                version="v2",
                durability="sync",
            )
            async with aclosing(
                queue.stream(cast(AsyncGenerator[Any, None], parts), reader.read)
            ) as events:
                async for event in events:
                    yield event
            if reader.paused:
                yield RunPaused(approvals=tuple(dict.fromkeys(reader.paused)))
                return
            if not _has_output_schema(run.context):
                return
            state = await graph.aget_state(config)
            graph_input = await _correction(state, run.context, self._deps.checks)
            if graph_input is None:
                return
            yield TextRetracted(from_block=run.state.next_block - 1)

    async def _start(
        self, context: RunContext, state: RunState, emit: Emit
    ) -> tuple[AgentRun, Graph]:
        # A start blocks the event loop for a millisecond or more. One starts at a time, and the
        # loop runs other tasks in between, so that many starts do not delay the other streams.
        async with self._start_lock:
            await asyncio.sleep(0)
            capabilities = self._deps.catalogue().capabilities or {}
            tools = select_tools(
                context,
                capabilities,
                self._capability_tools(),
                self._chat_tools,
                self._may_appear_later,
            )
            run = AgentRun(
                deps=self._deps, context=self._with_prompt(context), state=state, emit=emit
            )
            saver = self._checkpoints.checkpointer(
                context.runtime.turn,
                no_checkpoint=context.mode is StartMode.NEW,
                # a final answer is checked against the output schema by its checkpoint
                skip_final_answer=not _has_output_schema(context),
            )
            return run, self._graphs.graph(run, tools, saver)

    async def _with_offer(self, context: RunContext) -> RunContext:
        """Returns the context with the tools that have nothing to work on."""
        if context.task is not None:
            return context
        runtime = context.runtime
        if await self._presence.read(runtime.workspace, runtime.user) is not False:
            return context
        nothing = (tool.name for tool in self._chat_tools if tool.needs_automations)
        return replace(context, withheld=frozenset(nothing))

    def _with_prompt(self, context: RunContext) -> RunContext:
        return replace(
            context,
            system_prompt=_system_prompt(context),
            examples=() if context.task else _examples(context, self._chat_tools),
        )


def _system_prompt(context: RunContext) -> str:
    header, small = prompt_header(context.runtime), context.model.config.is_small
    if context.task is not None:
        output = "" if context.task.output_schema is None else load_prompt("output")
        return load_prompt("task", header=header, output=output).strip()
    if context.withheld:
        header += f"\n{NO_AUTOMATIONS}"
    return load_prompt("system", small=small, header=header).strip()


def _examples(context: RunContext, tools: Sequence[ToolDefinition]) -> tuple[BaseMessage, ...]:
    """Returns the examples of a chat's prompt: first a plain answer, then those of its tools."""
    left_out = context.disabled | context.withheld
    named = [t.name for t in tools if t.has_example and t.name not in left_out]
    small = context.model.config.is_small
    if small:
        named = [name for name in named if name == create.NAME]
    return tuple(
        read_examples(
            ["example", *(f"{name}/example" for name in named)],
            small=small,
            yesterday_at_9=yesterday_at_9(context.runtime),
        )
    )


def _has_output_schema(context: RunContext) -> bool:
    return context.task is not None and context.task.output_schema is not None


async def _correction(snapshot: StateSnapshot, context: RunContext, checks: CheckRunner) -> Any:
    """Returns the graph input that corrects an answer; None when it fits the output schema.

    An answer is corrected once. Raises ModelUnavailable when the second one does not fit.
    """
    if context.task is None or context.task.output_schema is None:
        return None
    messages = messages_of(snapshot)
    last = next((m for m in reversed(messages) if isinstance(m, AIMessage)), None)
    found = await find_output(
        checks,
        last.text if last else "",
        context.task.output_schema,
        workspace=context.runtime.workspace,
    )
    if isinstance(found, dict):
        return None
    if any(isinstance(m, HumanMessage) and stamp_of(m) for m in messages):
        raise errors.ModelUnavailable(
            "the model's answer does not satisfy the output schema",
            metadata={"model_config": str(context.model.config.id), BAD_OUTPUT: "not satisfied"},
        )
    # a server that took the schema may still have kept it from the model
    schema = json.dumps(dict(context.task.output_schema)) if context.model.takes_schema else ""
    text = load_prompt(
        "output_again",
        faults="\n".join(f"- {fault}" for fault in found),
        schema=load_prompt("schema", schema=schema) if schema else "",
    )
    return {"messages": [HumanMessage(text, response_metadata={STAMP: context.stamp()})]}


@asynccontextmanager
async def _database_faults() -> AsyncGenerator[None, None]:
    try:
        yield
    except (psycopg.Error, PoolTimeout) as exc:
        raise errors.ServiceUnavailable("the database can't be reached; try again") from exc
