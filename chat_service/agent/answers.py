"""What a model answered → a message to keep, or why it can't be taken for an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import tool_call

from chat_service.agent import budget
from chat_service.agent.events import ModelUsed, TextDelta, UsedAside
from chat_service.agent.faults import NoAnswer
from chat_service.agent.meter import Call
from chat_service.agent.run import STAMP, Emit, Run
from chat_service.agent.text import clean
from chat_service.agent.tool_call_pieces import CUT
from shared import errors

_ENDS_HERE: Final = {
    "length": "\n\n[The answer ends here: it is as long as the model's answers may be.]",
    "content_filter": "\n\n[The answer ends here: the model's provider withheld the rest.]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that has ended. `messages` is the state of the agent, without the answer."""

    run: Run
    call: Call
    block: int
    messages: Sequence[BaseMessage]
    settings: Mapping[str, Any]
    emit: Emit


def accepted(message: AIMessage, asked: Asked) -> AIMessage:
    """Tells what the call used, whatever it came to.

    Raises NoAnswer, and for a task BudgetExceeded, or ModelUnavailable when its answer is cut.
    """
    run, call = asked.run, asked.call
    used = run.meter.told(call, message)
    if not asked.settings.get("tools"):  # nobody would carry them out
        message.tool_calls, message.invalid_tool_calls = [], []
    try:
        _check(message, asked, used)
    except (NoAnswer, errors.RotaError):
        # no checkpoint will tell of it
        call.wasted = True
        asked.emit(UsedAside(**asdict(used)))
        raise
    asked.emit(used)
    _end_visibly(message, asked)
    unreadable = _tidy(message)
    more = {"unreadable": unreadable} if unreadable else {}
    message.response_metadata[STAMP] = run.stamp(used=asdict(used), **more)
    return message


def _check(message: AIMessage, asked: Asked, used: ModelUsed) -> None:
    run, reason = asked.run, _reason(message)
    task = run.task
    if task is not None and task.budget_micros is not None:
        most = asked.settings.get("max_tokens")
        told = not used.estimated and most is not None and used.output_tokens < most
        if reason == "length" and most is not None and not told:
            raise budget.exceeded(task.budget_micros)
        budget.settle(run, asked.messages, used.cost_micros)
    if message.tool_calls or message.invalid_tool_calls:
        return
    # the main agent tells of a subagent that says nothing
    if not message.text.strip() and run.assigned is None:
        raise NoAnswer(reason)
    if task is not None and reason in CUT:
        raise errors.ModelUnavailable(
            "the model's answer was cut off", metadata={"model_config": str(run.model.config.id)}
        )


def _end_visibly(message: AIMessage, asked: Asked) -> None:
    """Says of an answer that was cut off that it was: to the person, and to the model later on."""
    note = _ENDS_HERE.get(_reason(message))
    if note is None or message.tool_calls or message.invalid_tool_calls or not message.text:
        return
    message.content = message.text + note
    if asked.run.assigned is None:
        asked.emit(TextDelta(block=asked.block, text=note))


def _tidy(message: AIMessage) -> dict[str, str]:
    """Leaves no tool call that nobody would answer; gives the arguments of those unreadable."""
    unreadable = {str(call["id"]): str(call["args"] or "") for call in message.invalid_tool_calls}
    message.tool_calls += [
        tool_call(name=call["name"] or "", args={}, id=call["id"])
        for call in message.invalid_tool_calls
    ]
    message.invalid_tool_calls = []
    thought = message.additional_kwargs.get("reasoning_content")
    if thought is not None:
        message.additional_kwargs["reasoning_content"] = clean(str(thought))
    return unreadable


def _reason(message: AIMessage) -> str:
    return str(message.response_metadata.get("finish_reason") or "")
