"""The run of a subagent on one task, in its own checkpoint thread."""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config

from chat_service.agent.graphs import Graph, graph_config
from chat_service.agent.resume_state import ResumeState
from chat_service.llm.text import one_line
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import StepChanged
from chat_service.runtime.run_context import AgentRun, Emit, SubagentContext, stamp_of
from shared.db.storable_text import clean

MAX_LINES: Final = 20
_TITLE: Final = 80
_LINE: Final = 120
_WAITS: Final = "Waits for a decision"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentPause:
    approvals: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentAnswer:
    """`spent` is the usage of its models in this segment."""

    text: str
    spent: tuple[ModelUsage, ...]


@dataclass(slots=True, kw_only=True)
class SubagentRun:
    """Starts, recovers after a crash or resumes after a pause, as the checkpoint says.

    `run` is the subagent's. `emit` sends its steps and usage to the main agent's stream.
    """

    run: AgentRun
    graph: Graph
    thread: str
    emit: Emit
    _calls: dict[str, str] = field(default_factory=dict)  # a line each
    _worked: bool = False

    async def execute(self) -> SubagentPause | SubagentAnswer:
        # LangGraph must not take the main agent for the parent, or it would share interrupts
        outside = var_child_runnable_config.set(None)
        try:
            return await self._execute()
        finally:
            var_child_runnable_config.reset(outside)

    async def _execute(self) -> SubagentPause | SubagentAnswer:
        config = graph_config(self.thread)
        state = await self.graph.aget_state(config)
        given: Any = {"messages": [HumanMessage(self._assigned.task)]}
        if state.created_at is not None:
            resume_state = ResumeState.from_snapshot(state, self.run.context)
            self._know(resume_state.messages)
            self._worked = True
            if resume_state.is_suspended:
                return self._waiting(resume_state.undecided)
            given = resume_state.resume_input()
            if given is None and not state.next:
                return self._answered(resume_state.messages)
        self._worked = True
        self._show()
        parts = self.graph.astream(
            given,
            config,
            context=self.run,
            stream_mode=["updates"],
            version="v2",
            durability="sync",
        )
        async with aclosing(cast(AsyncGenerator[Any, None], parts)) as stream:
            async for part in stream:
                self._follow(part)
        state = await self.graph.aget_state(config)
        resume_state = ResumeState.from_snapshot(state, self.run.context)
        if resume_state.undecided:
            return self._waiting(resume_state.undecided)
        return self._answered(resume_state.messages)

    @property
    def _assigned(self) -> SubagentContext:
        assert self.run.context.subagent is not None
        return self.run.context.subagent

    def _know(self, messages: Sequence[BaseMessage]) -> None:
        """Reads the checkpoint's messages. Sends their usage if another process made them."""
        for message in messages:
            self._note(message)
        if self.run.context.replays and not self._worked:
            for used in _spent(messages, self.run):
                self.emit(used)

    def _follow(self, part: Mapping[str, Any]) -> None:
        match part:
            case {"type": "updates", "data": {"model": update} | {"tools": update}}:
                for message in _messages(update):
                    self._note(message)
                self._show()

    def _note(self, message: BaseMessage) -> None:
        match message:
            case AIMessage():
                for call in message.tool_calls:
                    self._calls[str(call["id"])] = _line(call["name"], call["args"])
            case ToolMessage() if not stamp_of(message).get("ok", True):
                line = self._calls.get(message.tool_call_id, message.name)
                self._calls[message.tool_call_id] = f"{line} – it failed"

    def _show(self, *more: str, done: bool = False) -> None:
        assigned = self._assigned
        lines = list(self._calls.values())
        left_out = len(lines) - MAX_LINES
        shown = [f"{left_out} calls before these", *lines[left_out:]] if left_out > 0 else lines
        name = assigned.subagent.replace("_", " ").capitalize()
        self.emit(
            StepChanged(
                id=f"{assigned.subagent}-{assigned.number}",
                title=one_line(f"{name}: {assigned.task}", _TITLE),
                items=(*shown, *more),
                done=done,
            )
        )

    def _waiting(self, approvals: tuple[UUID, ...]) -> SubagentPause:
        self._show(_WAITS)
        return SubagentPause(approvals=approvals)

    def _answered(self, messages: Sequence[BaseMessage]) -> SubagentAnswer:
        self._show(done=True)
        last = next((m for m in reversed(messages) if isinstance(m, AIMessage)), None)
        return SubagentAnswer(
            text=clean(last.text) if last else "", spent=tuple(_spent(messages, self.run))
        )


def _spent(messages: Sequence[BaseMessage], run: AgentRun) -> Iterator[ModelUsage]:
    for message in messages:
        stamp = stamp_of(message)
        if isinstance(message, AIMessage) and stamp.get("segment") == run.context.segment:
            yield ModelUsage(**stamp["used"])


def _line(tool: str, arguments: Mapping[str, Any]) -> str:
    values = [
        value if isinstance(value, str) else json.dumps(value) for value in arguments.values()
    ]
    return one_line(f"{tool} {', '.join(values)}".strip(), _LINE)


def _messages(update: Any) -> Iterator[BaseMessage]:
    for one in update if isinstance(update, list) else [update]:
        yield from (one or {}).get("messages", ())
