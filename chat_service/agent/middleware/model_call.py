"""Middleware around each model call: limits, retries and usage."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, Final, cast

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables.base import RunnableBinding
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from chat_service.agent.middleware import continuation, model_response
from chat_service.agent.middleware.common import agent_run
from chat_service.agent.middleware.model_request import RequestBuilder
from chat_service.agent.middleware.model_response import ResponseContext, ResponseStream
from chat_service.agent.middleware.offered_tools import fit_tools, shorten_tools
from chat_service.agent.middleware.text_calls import TextCalls
from chat_service.llm import errors as llm_errors
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelBundle
from chat_service.runtime.events import Retrying, TextRetracted
from chat_service.runtime.run_context import AgentRun, ignore_event, stamp_of
from shared.telemetry import metrics

# this call and later ones have no tools, so that every run ends
LAST_CALL: Final = 24

ModelHandler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


class ModelCallMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Makes the model calls of a run: limits, retries and meters them.

    It does not use LangChain's handler, which costs more than everything else at the start of
    a call and for every token.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool],
        *,
        reading: Collection[str] = (),
        asking: Collection[str] = (),
    ) -> None:
        """`reading` are the tools without any effect, `asking` those that need an approval."""
        super().__init__()
        self._offered = [convert_to_openai_tool(tool) for tool in tools]
        self._short = shorten_tools(self._offered)
        self._text_calls = TextCalls.from_tools(self._offered, reading, asking)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: ModelHandler
    ) -> ModelResponse[Any]:
        run = agent_run(request.runtime.context)
        retry, emit = run.deps.retry, run.emit
        model, state = run.context.model, run.state
        settings = self._settings(_bounded(request, run), model)
        builder = RequestBuilder(run=run, messages=request.messages, settings=settings)
        await builder.prepare()
        attempt = 0
        while True:
            attempt += 1
            asked = builder.next_settings()
            progress = CallProgress(tool_call_ids=state.tool_call_ids)
            call = state.meter.start(model.config, progress)
            # only the main agent reads what a subagent says
            shown = emit if run.context.subagent is None else ignore_event
            reader = self._text_calls.reader if self._offered else None
            stream = ResponseStream(state, shown, tools="tools" in asked, reader=reader)
            try:
                async with asyncio.timeout(retry.model_seconds):
                    message = await model.answer(
                        builder.prompt, progress=progress, on_chunk=stream.feed, **asked
                    )
                ended = ResponseContext(
                    run=run,
                    call=call,
                    stream=stream,
                    messages=request.messages,
                    settings=asked,
                    emit=emit,
                )
                message, ended = await continuation.continue_answer(message, ended, builder.prompt)
                message, ended = await self._text_calls.settle(message, ended, builder.prompt)
                return ModelResponse(result=[model_response.accept_response(message, ended)])
            except llm_errors.PROVIDER_FAULTS as exc:
                fault = record_failure(state.meter, call, exc)
                wait = retry.model.backoff(attempt, fault.retry_after) if fault.transient else None
                if await builder.fall_back(fault):
                    # a different request starts with all attempts
                    attempt, wait = 0, timedelta(0)
                if not progress.streamed:
                    state.close_empty_block()
                elif wait is not None or fault.rate_limited:
                    emit(TextRetracted(from_block=stream.block))
                if wait is None:
                    raise fault.refusal(model.config.id) from exc
            emit(Retrying(after=wait, reason=fault.reason, metadata=fault.metadata))
            metrics.count("rota.model.retries", rate_limited=fault.rate_limited)
            await retry.model.sleep(wait.total_seconds())

    def _settings(self, request: ModelRequest[Any], model: ModelBundle) -> dict[str, Any]:
        settings = request.model_settings
        if not request.tools:
            return settings
        if "response_format" in settings:  # bind_tools knows the rules of the two together
            bound = cast(
                RunnableBinding[Any, Any], model.chat().bind_tools(request.tools, **settings)
            )
            return dict(bound.kwargs)
        offered = self._short if model.config.is_small else self._offered
        if withheld := _withheld(request):
            offered = [tool for tool in offered if tool["function"]["name"] not in withheld]
        if model.config.is_small:
            offered = fit_tools(offered, model.config.context_tokens // 3)
        return {"tools": offered, **settings}


def _withheld(request: ModelRequest[Any]) -> AbstractSet[str]:
    """Returns the tools that are not offered. A turn keeps those that its calls name.

    A turn that has saved something may have a use for any of them.
    """
    withheld = agent_run(request.runtime.context).context.withheld
    saved = (m for m in request.messages if isinstance(m, ToolMessage))
    if not withheld or any(stamp_of(message).get("resource") for message in saved):
        return frozenset()
    called = (
        call["name"]
        for message in request.messages
        if isinstance(message, AIMessage) and stamp_of(message)
        for call in message.tool_calls
    )
    return withheld.difference(called)


def _repeats_schema(request: ModelRequest[Any], run: AgentRun) -> bool:
    """Returns whether a correction says the schema, and the context has no room for it twice."""
    model = run.context.model
    corrected = any(isinstance(m, HumanMessage) and stamp_of(m) for m in request.messages)
    return corrected and model.config.is_small and model.takes_schema


def _bounded(request: ModelRequest[Any], run: AgentRun) -> ModelRequest[Any]:
    """Returns the request within the limits of its run."""
    calls = sum(1 for m in request.messages if isinstance(m, AIMessage) and stamp_of(m))
    if calls + 1 >= LAST_CALL:
        request = request.override(tools=[])
    task = run.context.task
    if task is None:
        return request
    settings = dict(request.model_settings)
    if task.output_schema is not None and not _repeats_schema(request, run):
        settings["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": "Output",
                "schema": {**task.output_schema, "title": "Output"},
                "strict": False,
            },
        }
        if request.tools:
            settings["strict"] = False  # else bind_tools makes every tool's schema strict
    return request.override(model_settings=settings)
