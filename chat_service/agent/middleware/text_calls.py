"""Calls that a model wrote as its answer: carried out if they only read, else asked for again."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.tool import tool_call

from chat_service.agent.middleware import budget
from chat_service.agent.middleware.model_response import ResponseContext
from chat_service.agent.structured_output import find_output
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import REPAIRS, CallProgress
from chat_service.llm.errors import PROVIDER_FAULTS
from chat_service.llm.finish_reason import CUT
from chat_service.llm.metering import MeteredCall
from chat_service.llm.tool_calls.text_call import CallJob, TextCall, TextCallReader, read_call
from chat_service.llm.usage import UncheckpointedUsage
from chat_service.prompts.load import load_prompt
from chat_service.runtime.events import Retrying
from shared import errors
from shared.sandbox.failure import JobFailed

_GAP: Final = "\n\n"
AS_TEXT: Final = "it was written as text"
_REASON: Final = "the model wrote a call as text"
_NOTE: Final = (
    "[The model wrote a call of {tool} as text instead of making it, so nothing was done. "
    "Ask again, or choose another model.]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCalls:
    """The tools of an agent. Those in `reading` have no effect and need no approval."""

    reader: TextCallReader
    reading: frozenset[str]

    @classmethod
    def from_tools(
        cls, offered: Sequence[Mapping[str, Any]], reading: Collection[str], asking: Collection[str]
    ) -> "TextCalls":
        """`asking` are the tools that need an approval."""
        schemas = {one["function"]["name"]: one["function"]["parameters"] for one in offered}
        reader = TextCallReader(tools=schemas, distinct=frozenset(asking) & set(schemas))
        return cls(reader=reader, reading=frozenset(reading))

    async def settle(
        self,
        answer: AIMessage,
        asked: ResponseContext,
        prompt: Sequence[AnyMessage],
    ) -> tuple[AIMessage, ResponseContext]:
        """Returns the answer without a call as text, and the call that it is from.

        A call that only reads is made. Any other, and one after other text, is asked for once
        more; a model that writes it again has done nothing, and a sentence says so. Text before
        a call stays. Raises ModelUnavailable then for a task.
        """
        again, shown = False, ""  # text that stands before what comes
        while (found := await self._find(answer, asked)) is not None:
            prose, written = found
            asked.stream.drop()
            if prose:
                asked.stream.feed(_GAP)
                shown += prose + _GAP
            if answer.tool_calls or answer.invalid_tool_calls:
                answer.content = shown
                return answer, asked
            if not prose and self._may_make(written, answer, asked):
                _make(answer, written, asked)
                answer.content = shown
                return answer, asked
            new = None
            if _has_tools(asked) and not again:
                new = await _ask(answer, written, asked, prompt)
            if new is None:
                _say_nothing_was_done(answer, written, asked)
                answer.content = shown + answer.text
                return answer, asked
            (answer, asked), again = new, True
        asked.stream.release()
        answer.content = shown + answer.text if shown else answer.content
        return answer, asked

    async def _find(self, answer: AIMessage, asked: ResponseContext) -> tuple[str, TextCall] | None:
        """Returns the call that an answer is or ends with, and the text before it."""
        if await self._has_output(answer, asked):
            return None
        if (whole := await self._read(answer.text, asked)) is not None:
            return "", whole
        held = asked.stream.held
        prose = answer.text.removesuffix(held)
        if not held or prose == answer.text or not prose.strip():
            return None
        written = await self._read(held, asked)
        # text that only looks like a call is an example
        return None if written is None or written.arguments is None else (prose, written)

    def _may_make(self, written: TextCall, answer: AIMessage, asked: ResponseContext) -> bool:
        cut = answer.response_metadata["finish_reason"] in CUT
        offered = "tools" in asked.settings and not cut
        return offered and written.tool in self.reading and written.arguments is not None

    async def _read(self, text: str, asked: ResponseContext) -> TextCall | None:
        """Returns the call that a text is. One that takes too long to be read is none."""
        reader, run = self.reader, asked.run
        job: CallJob = {
            "text": text,
            "tools": dict(reader.tools),
            "distinct": sorted(reader.distinct),
        }
        try:
            found = await run.deps.checks.do(
                read_call, job, workspace=run.context.runtime.workspace
            )
        except JobFailed:
            return None
        return None if found is None else TextCall(**found)

    async def _has_output(self, answer: AIMessage, asked: ResponseContext) -> bool:
        run = asked.run
        schema = None if run.context.task is None else run.context.task.output_schema
        if schema is None:
            return False
        found = await find_output(
            run.deps.checks, answer.text, schema, workspace=run.context.runtime.workspace
        )
        return isinstance(found, dict)


def _has_tools(asked: ResponseContext) -> bool:
    """Returns whether the model was offered tools, which its provider may have refused."""
    sent = asked.call.progress.request  # empty once the call is recorded
    return "tools" in asked.settings and bool(not sent or sent.get("tools"))


def _make(answer: AIMessage, written: TextCall, asked: ResponseContext) -> None:
    """Turns the answer into a call that the agent carries out."""
    made = f"call_{uuid4().hex[:16]}"
    asked.run.state.tool_call_ids.add(made)
    answer.content = ""
    answer.tool_calls = [tool_call(name=written.tool, args=written.arguments or {}, id=made)]
    answer.response_metadata[REPAIRS] = {made: [AS_TEXT]}
    asked.stream.show_call(made, written.tool, written.arguments or {})


async def _ask(
    answer: AIMessage,
    written: TextCall,
    asked: ResponseContext,
    prompt: Sequence[AnyMessage],
) -> tuple[AIMessage, ResponseContext] | None:
    """Asks for a real call. Returns None if no answer comes."""
    run, meter = asked.run, asked.run.state.meter
    used = meter.record(asked.call, answer)
    asked.call.wasted = True  # no message of the agent's state will have its usage
    again = load_prompt("text_call", tool=written.tool)
    more: list[AnyMessage] = [*prompt, AIMessage(answer.text), HumanMessage(again)]
    settings = {key: value for key, value in asked.settings.items() if key != "max_tokens"}
    settings |= budget.limit_output(run, more, settings)
    asked.emit(Retrying(after=timedelta(0), reason=_REASON))
    asked.stream.restart()
    progress = CallProgress(tool_call_ids=run.state.tool_call_ids)
    call = meter.start(run.context.model.config, progress)
    try:
        async with asyncio.timeout(run.deps.retry.model_seconds):
            found = await run.context.model.answer(
                more, progress=progress, on_chunk=asked.stream.feed, **settings
            )
    except PROVIDER_FAULTS as exc:
        record_failure(meter, call, exc)
        asked.call.wasted = False
        asked.stream.drop()
        return None
    if not (found.text.strip() or found.tool_calls or found.invalid_tool_calls):
        asked.call.wasted = False
        asked.stream.drop()
        _waste(found, call, asked)
        return None
    asked.emit(UncheckpointedUsage(**asdict(used)))
    _keep_thoughts(answer, found)
    return found, replace(asked, call=call, settings=settings)


def _keep_thoughts(before: AIMessage, answer: AIMessage) -> None:
    thoughts = [m.additional_kwargs.get("reasoning_content", "") for m in (before, answer)]
    if any(thoughts):
        answer.additional_kwargs["reasoning_content"] = "\n\n".join(filter(None, thoughts))


def _say_nothing_was_done(answer: AIMessage, written: TextCall, asked: ResponseContext) -> None:
    if asked.run.context.task is not None:
        _waste(answer, asked.call, asked)
        raise errors.ModelUnavailable(
            "the model wrote a call of a tool as text instead of making it",
            metadata={"model_config": str(asked.run.context.model.config.id)},
        )
    answer.content = _NOTE.format(tool=written.tool)
    answer.response_metadata["finish_reason"] = "stop"
    asked.stream.feed(answer.content)


def _waste(answer: AIMessage, call: MeteredCall, asked: ResponseContext) -> None:
    used = asked.run.state.meter.record(call, answer)
    call.wasted = True
    asked.emit(UncheckpointedUsage(**asdict(used)))
