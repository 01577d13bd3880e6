"""Sampling: answers of the turn's model that an MCP server asks for within a call of its tool."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from mcp import ClientSession
from mcp.shared.context import RequestContext
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CreateMessageRequestParams,
    CreateMessageResult,
    ErrorData,
    SamplingMessage,
    TextContent,
)

from chat_service.llm import errors as llm_errors
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.usage import UncheckpointedUsage
from chat_service.runtime.models_file import McpSampling
from chat_service.tools.idempotency import CurrentCall
from shared.db.storable_text import clean

MAX_INPUT: Final = 64 * 1024  # characters of all messages and the system prompt
MAX_MESSAGES: Final = 64
MAX_STOPS: Final = 8


class _SamplingRefused(Exception):
    """The request is refused; the server reads the text."""

    def __init__(self, message: str, code: int = INVALID_PARAMS) -> None:
        super().__init__(message)
        self.error = ErrorData(code=code, message=message)


class Sampler:
    """Answers the requests of one call of a tool, within the operator's limits.

    The model reads the server's text and nothing of the turn, and has no tools. Its usage is the
    turn's. What is refused or fails is an error that the server reads.
    """

    def __init__(self, call: CurrentCall, limits: McpSampling) -> None:
        self._call = call
        self._limits = limits
        self._left = limits.max_calls

    async def sample(
        self, context: RequestContext[ClientSession, Any], params: CreateMessageRequestParams
    ) -> CreateMessageResult | ErrorData:
        """Answers one request; the SDK passes the `context` of its session."""
        try:
            messages = _messages(params)
            most = self._max_tokens(params)
            if self._left <= 0:
                raise _SamplingRefused(
                    f"a call may ask the model {self._limits.max_calls} times", INVALID_REQUEST
                )
            self._left -= 1
            return self._result(await self._answer(messages, params, most), params)
        except _SamplingRefused as exc:
            return exc.error

    def _max_tokens(self, params: CreateMessageRequestParams) -> int:
        most = min(params.maxTokens, self._limits.max_tokens)
        run = self._call.run
        budget = run.context.task.budget_micros if run.context.task is not None else None
        if budget is not None:
            left = budget - sum(used.cost_micros for used in run.state.meter.usage())
            price = run.context.model.config.output_price
            most = min(most, left * 1_000_000 // price) if price else most * (left > 0)
            if most <= 0:
                raise _SamplingRefused("the budget of the task is used up", INVALID_REQUEST)
        if most <= 0:
            raise _SamplingRefused("maxTokens must be above 0")
        return most

    async def _answer(
        self, messages: list[BaseMessage], params: CreateMessageRequestParams, most: int
    ) -> AIMessage:
        run = self._call.run
        model, meter, progress = run.context.model, run.state.meter, CallProgress()
        settings: dict[str, Any] = {"max_tokens": most}
        if params.temperature is not None:
            settings["temperature"] = min(max(params.temperature, 0.0), 2.0)
        metered = meter.start(model.config, progress)
        metered.wasted = True  # no message of the turn has its cost
        try:
            async with asyncio.timeout(run.deps.retry.model_seconds):
                answer = await model.answer(messages, progress=progress, **settings)
        except llm_errors.PROVIDER_FAULTS as exc:
            record_failure(meter, metered, exc)
            raise _SamplingRefused("the model gave no answer", INTERNAL_ERROR) from exc
        self._call.emit(UncheckpointedUsage(**asdict(meter.record(metered, answer))))
        return answer

    def _result(self, answer: AIMessage, params: CreateMessageRequestParams) -> CreateMessageResult:
        text, stopped = _stop(clean(answer.text), params.stopSequences or [])
        cut = answer.response_metadata.get("finish_reason") == "length"
        return CreateMessageResult(
            role="assistant",
            content=TextContent(type="text", text=text),
            model=self._call.run.context.model.config.display_name,
            stopReason="stopSequence" if stopped else "maxTokens" if cut else "endTurn",
        )


def _messages(params: CreateMessageRequestParams) -> list[BaseMessage]:
    if params.tools:
        raise _SamplingRefused("the model is asked without tools here")
    if not 1 <= len(params.messages) <= MAX_MESSAGES:
        raise _SamplingRefused(f"1 to {MAX_MESSAGES} messages are needed")
    system = [SystemMessage(clean(params.systemPrompt))] if params.systemPrompt else []
    found = [*system, *(_message(one) for one in params.messages)]
    if sum(len(message.text) for message in found) > MAX_INPUT:
        raise _SamplingRefused(f"the messages are longer than {MAX_INPUT} characters")
    return found


def _message(given: SamplingMessage) -> BaseMessage:
    text = clean("\n".join(_texts(given)))
    return AIMessage(text) if given.role == "assistant" else HumanMessage(text)


def _texts(given: SamplingMessage) -> Iterator[str]:
    for block in given.content_as_list:
        if not isinstance(block, TextContent):
            raise _SamplingRefused("the model is asked with text only here")
        yield block.text


def _stop(text: str, sequences: list[str]) -> tuple[str, bool]:
    """Returns the text up to the first of the sequences, and whether there was one."""
    ends = [at for stop in sequences[:MAX_STOPS] if stop and (at := text.find(stop)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)
