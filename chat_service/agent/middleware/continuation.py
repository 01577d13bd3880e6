"""The continuation of an answer that was cut off: one more call says the rest."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from chat_service.agent.middleware import budget
from chat_service.agent.middleware.model_response import ResponseContext, ResponseStream
from chat_service.agent.structured_output import find_output
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import CallProgress, ResponseChunk
from chat_service.llm.errors import PROVIDER_FAULTS
from chat_service.llm.finish_reason import LENGTH
from chat_service.llm.metering import MeteredCall
from chat_service.llm.stream.thought_tags import Retraction, Thought
from chat_service.llm.usage import ModelUsage, UncheckpointedUsage
from chat_service.prompts.load import load_prompt
from shared import errors

# of the context window, in tokens
LEAST_ROOM: Final = 256


async def continue_answer(
    cut: AIMessage, asked: ResponseContext, prompt: Sequence[AnyMessage]
) -> tuple[AIMessage, ResponseContext]:
    """Returns the whole answer, with the call that its rest is from.

    Returns `cut` and `asked` if it is not cut, if the context window or the budget leaves nothing
    for the rest, or if the rest does not come. What came of it is kept.
    """
    if not _is_cut(cut, asked):
        return cut, asked
    used = asked.run.state.meter.record(asked.call, cut)
    asked.call.wasted = True  # no message of the agent's state will have its usage
    more = [*prompt, AIMessage(cut.text), HumanMessage(load_prompt("cut_answer"))]
    settings = _settings(asked, more, used)
    rest = _Rest(cut=cut.text, stream=asked.stream)
    found = None if settings is None else await _ask(asked, more, settings, rest)
    if found is None:
        asked.call.wasted = False
        cut.content = cut.text + "".join(rest.text)
        return cut, asked
    asked.emit(UncheckpointedUsage(**asdict(used)))
    message, call = found
    await _join(cut, message, asked)
    return message, replace(asked, call=call, settings=settings or {})


def _is_cut(message: AIMessage, asked: ResponseContext) -> bool:
    """Returns whether the model's own limit cut the text of an answer."""
    calls = asked.settings.get("tools") and (message.tool_calls or message.invalid_tool_calls)
    return (
        message.response_metadata["finish_reason"] == LENGTH
        and not calls
        and not asked.stream.holds_call  # a call is never completed
        and bool(message.text.strip())
    )


def _settings(
    asked: ResponseContext, messages: Sequence[AnyMessage], used: ModelUsage
) -> dict[str, Any] | None:
    """Returns the settings of the call; None if there is no room for it."""
    config = asked.run.context.model.config
    if config.context_tokens - used.input_tokens - used.output_tokens < LEAST_ROOM:
        return None
    if budget.is_cut_by_budget(asked.settings, used):
        return None
    # a format would make the rest of an object an object of its own
    left_out = ("response_format", "max_tokens")
    settings = {key: value for key, value in asked.settings.items() if key not in left_out}
    try:
        return {**settings, **budget.limit_output(asked.run, messages, settings)}
    except errors.BudgetExceeded:
        return None


async def _ask(
    asked: ResponseContext,
    messages: Sequence[AnyMessage],
    settings: dict[str, Any],
    rest: "_Rest",
) -> tuple[AIMessage, MeteredCall] | None:
    run, meter = asked.run, asked.run.state.meter
    progress = CallProgress(tool_call_ids=run.state.tool_call_ids)
    call = meter.start(run.context.model.config, progress)
    try:
        async with asyncio.timeout(run.deps.retry.model_seconds):
            message = await run.context.model.answer(
                messages, progress=progress, on_chunk=rest.feed, **settings
            )
    except PROVIDER_FAULTS as exc:
        record_failure(meter, call, exc)
        return None
    if message.text.strip() or message.tool_calls or message.invalid_tool_calls:
        return message, call
    used = meter.record(call, message)
    call.wasted = True
    asked.emit(UncheckpointedUsage(**asdict(used)))
    return None


async def _join(cut: AIMessage, rest: AIMessage, asked: ResponseContext) -> None:
    """Puts the cut answer before its rest. A model may also have said the whole object again."""
    whole = cut.text + rest.text
    task = asked.run.context.task
    if task is not None and task.output_schema is not None:
        schema = task.output_schema
        checks, workspace = asked.run.deps.checks, asked.run.context.runtime.workspace
        again = await find_output(checks, rest.text, schema, workspace=workspace)
        found = await find_output(checks, whole, schema, workspace=workspace)
        if isinstance(again, dict) and not isinstance(found, dict):
            whole = rest.text
            asked.stream.retract()
            asked.stream.feed(whole)
    rest.content = whole
    thoughts = [m.additional_kwargs.get("reasoning_content", "") for m in (cut, rest)]
    if any(thoughts):
        rest.additional_kwargs["reasoning_content"] = "\n\n".join(filter(None, thoughts))


@dataclass(slots=True, kw_only=True)
class _Rest:
    """Shows the rest of an answer as it comes, after `cut` in the same block."""

    cut: str
    stream: ResponseStream
    text: list[str] = field(default_factory=list)

    def feed(self, chunk: ResponseChunk) -> None:
        match chunk:
            case str():
                self.text.append(chunk)
            case Retraction(thought=thought):  # of the rest, not of what it continues
                self.text.clear()
                self.stream.retract()
                self.stream.feed(self.cut)
                chunk = Thought(thought)
        self.stream.feed(chunk)
