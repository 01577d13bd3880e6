"""The response of a model call: its stream, its checks and its usage."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import tool_call

from chat_service.agent.middleware import budget
from chat_service.llm.chat_model import REFUSED, REPAIRS, ResponseChunk
from chat_service.llm.errors import REQUEST, EmptyResponse
from chat_service.llm.finish_reason import CONTENT_FILTER, CUT, LENGTH, is_known
from chat_service.llm.metering import MeteredCall
from chat_service.llm.stream.thought_tags import Retraction, Thought
from chat_service.llm.text import one_line
from chat_service.llm.tool_calls.assembler import ToolCallChunk
from chat_service.llm.tool_calls.text_call import AnswerStart, TextCallReader
from chat_service.llm.usage import ModelUsage, UncheckpointedUsage
from chat_service.runtime.events import (
    ReasoningDelta,
    TextDelta,
    TextRetracted,
    ToolCallArgs,
    ToolCallStarted,
)
from chat_service.runtime.run_context import STAMP, AgentRun, Emit, RunState
from shared import errors
from shared.db.storable_text import clean

# where a call may begin within text, and how often one chunk is looked at
_START: Final = re.compile(r"[{`~<]")
_MOST_STARTS: Final = 50
_SHOWN: Final = 300  # characters of a refusal
_ENDS_HERE: Final = {
    LENGTH: "\n\n[The answer ends here: it is as long as the model's answers may be.]",
    CONTENT_FILTER: "\n\n[The answer ends here: the model's provider withheld the rest.]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseContext:
    """The call that a response ends. `messages` is the agent's state without the response."""

    run: AgentRun
    call: MeteredCall
    stream: "ResponseStream"
    messages: Sequence[BaseMessage]
    settings: Mapping[str, Any]
    emit: Emit


def accept_response(message: AIMessage, asked: ResponseContext) -> AIMessage:
    """Emits the usage of the call, and returns the message for the agent's state.

    Raises EmptyResponse; for a task also BudgetExceeded, or ModelUnavailable for a cut answer.
    """
    run, call = asked.run, asked.call
    used = run.state.meter.record(call, message)
    if not asked.settings.get("tools"):  # the call offered no tools
        message.tool_calls, message.invalid_tool_calls = [], []
    try:
        _check(message, asked, used)
    except (EmptyResponse, errors.RotaError):
        # no checkpoint will hold the usage
        call.wasted = True
        asked.emit(UncheckpointedUsage(**asdict(used)))
        raise
    asked.emit(used)
    _end_visibly(message, asked)
    unreadable = _tidy(message)
    repairs = message.response_metadata.pop(REPAIRS, None)
    more = {
        name: found for name, found in (("unreadable", unreadable), ("repairs", repairs)) if found
    }
    message.response_metadata[STAMP] = run.context.stamp(used=asdict(used), **more)
    return message


def _check(message: AIMessage, asked: ResponseContext, used: ModelUsage) -> None:
    run, reason = asked.run, _reason(message)
    task = run.context.task
    if task is not None and task.budget_micros is not None:
        if reason == LENGTH and budget.is_cut_by_budget(asked.settings, used):
            raise budget.budget_exceeded(task.budget_micros)
        budget.check_cost(run, asked.messages, used.cost_micros)
    if message.tool_calls or message.invalid_tool_calls:
        return
    # the main agent reports an empty response of a subagent
    if not message.text.strip() and run.context.subagent is None:
        raise EmptyResponse(reason)
    if task is not None and (said := _no_result(message)):
        metadata = {"model_config": str(run.context.model.config.id)}
        if reason != LENGTH:  # which would refuse the next attempt too
            metadata[REQUEST] = "refused"
        raise errors.ModelUnavailable(said, metadata=metadata)


def _no_result(message: AIMessage) -> str:
    """Returns why an answer is no result of a task; empty if it is one."""
    match _reason(message):
        case _ if message.response_metadata.get(REFUSED):
            return f"the model refused the task: {one_line(message.text, _SHOWN)}"
        case str(reason) if reason == CONTENT_FILTER:
            return "the model's provider withheld the answer"
        case str(reason) if reason in CUT:
            return "the model's answer was cut off"
    return ""


def _end_visibly(message: AIMessage, asked: ResponseContext) -> None:
    """Appends a note to an answer that was cut off, for the person and for later model calls."""
    reason, task = _reason(message), asked.run.context.task
    note = _ENDS_HERE.get(reason)
    if not is_known(reason) and (task is None or task.output_schema is None):
        note = f"\n\n[The answer ends here: the model's provider gives the reason “{reason}”.]"
    if note is None or message.tool_calls or message.invalid_tool_calls or not message.text:
        return
    message.content = message.text + note
    asked.stream.feed(note)


def _tidy(message: AIMessage) -> dict[str, str]:
    """Turns invalid tool calls into valid ones; returns their raw arguments by id."""
    unreadable = {str(call["id"]): str(call["args"] or "") for call in message.invalid_tool_calls}
    message.tool_calls += [
        tool_call(name=call["name"] or "", args={}, id=call["id"])
        for call in message.invalid_tool_calls
    ]
    message.invalid_tool_calls = []
    return unreadable


def _reason(message: AIMessage) -> str:
    return str(message.response_metadata.get("finish_reason") or "")


class ResponseStream:
    """Emits events for the chunks of `StreamingChat.answer`, in a new block of the run.

    Text that turns out to be a thought is retracted, and the answer goes on in another block.
    Without `tools` the model was offered none, and its tool calls are not emitted. Text that may
    be a call, by the `reader`, is held until `release` or `drop`, at the beginning of the answer
    and after other text.
    """

    def __init__(
        self, state: RunState, emit: Emit, *, tools: bool, reader: TextCallReader | None = None
    ) -> None:
        self._state = state
        self.block = state.open_block()
        self._emit = emit
        self._tools = tools
        self._calls: dict[int, str] = {}
        self._reader = reader
        self._held: list[str] | None = None
        self.holds_call = False
        self.restart()

    def feed(self, chunk: ResponseChunk) -> None:
        match chunk:
            case str() if self._held is not None:
                self._hold(chunk, self._held)
            case str():
                self._feed_text(chunk)
            case Thought(text=text):
                self._emit(ReasoningDelta(block=self.block, text=text))
            case Retraction(thought=text):
                self.retract()
                self._emit(ReasoningDelta(block=self.block, text=text))
            case ToolCallChunk():
                self._feed_call(chunk)

    def retract(self) -> None:
        self._emit(TextRetracted(from_block=self.block))
        self.block = self._state.open_block()
        self.restart()

    def restart(self) -> None:
        """Begins another answer in the same block."""
        self._held = None if self._reader is None else []
        self.holds_call = False

    def release(self) -> None:
        """Emits the text that was held."""
        held, self._held = self._held, None
        self.holds_call = False
        if held:
            self._emit(TextDelta(block=self.block, text="".join(held)))

    def drop(self) -> None:
        """Forgets the text that was held."""
        self._held, self.holds_call = None, False

    def show_call(self, tool_call_id: str, tool: str, arguments: Mapping[str, Any]) -> None:
        self._emit(ToolCallStarted(block=self.block, tool_call_id=tool_call_id, tool=tool))
        text = json.dumps(arguments, ensure_ascii=False)
        self._emit(ToolCallArgs(tool_call_id=tool_call_id, json=text))

    @property
    def held(self) -> str:
        """Returns the text that is held."""
        return "".join(self._held or ())

    def _feed_text(self, text: str) -> None:
        """Emits text up to where a call may begin, and holds the rest."""
        for found in islice(_START.finditer(text), _MOST_STARTS) if self._reader else ():
            rest = text[found.start() :]
            begins = AnswerStart.TEXT if self._reader is None else self._reader.begins(rest)
            if begins is not AnswerStart.TEXT:
                text = text[: found.start()]
                self._held, self.holds_call = [rest], begins is AnswerStart.CALL
                break
        if text:
            self._emit(TextDelta(block=self.block, text=text))

    def _hold(self, text: str, held: list[str]) -> None:
        held.append(text)
        if self._reader is None or self.holds_call:
            return
        match self._reader.begins("".join(held)):
            case AnswerStart.TEXT:
                self._held = None
                self._feed_text("".join(held))
            case AnswerStart.CALL:
                self.holds_call = True

    def _feed_call(self, call: ToolCallChunk) -> None:
        if not self._tools:
            return
        if call.id:
            self._calls[call.index] = call.id
            started = ToolCallStarted(block=self.block, tool_call_id=call.id, tool=call.name or "")
            self._emit(started)
        if call.args and call.index in self._calls:
            self._emit(ToolCallArgs(tool_call_id=self._calls[call.index], json=clean(call.args)))
