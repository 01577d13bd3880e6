"""What is done around every call of a model and of a tool."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

import psycopg
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables.base import RunnableBinding
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command
from psycopg_pool import PoolTimeout

from chat_service.agent import answers, faults
from chat_service.agent.answers import Asked
from chat_service.agent.asking import Asking
from chat_service.agent.chat_model import Piece, StreamingChat, Watch
from chat_service.agent.events import Retrying, TextRetracted
from chat_service.agent.run import Run, stamp_of, unreadable_of
from chat_service.agent.speech import Speech
from chat_service.agent.text import one_line
from chat_service.agent.tools import ToolDefinition, failed
from shared import errors, measures, telemetry

# from this call on the model has no tools, so that every stream comes to an end
LAST_CALL: Final = 24
# calls of one answer; the others are told that they are too many
MOST_AT_ONCE: Final = 64
_SHOWN: Final = 200  # characters of arguments that can't be read
# what ends the stream rather than become a tool's answer: refusals of a task, a database that
# stays away, and what a drafter's or subagent's model or checkpoints do, which is the same as if
# the main agent's had done it
_ENDS_THE_STREAM = (
    errors.ApprovalNotGranted,
    errors.BudgetExceeded,
    errors.CapabilityGone,
    errors.ModelRateLimited,
    errors.ModelUnavailable,
    errors.ServiceUnavailable,
    psycopg.Error,
    PoolTimeout,
)

ModelHandler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
ToolHandler = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]

log = telemetry.logger(__name__)


class ModelCalls(AgentMiddleware[AgentState[Any], Any, Any]):
    """Makes, numbers, retries, bounds and accounts for the calls of a run's model.

    It makes them itself: LangChain's own way round costs more than all else at a call's
    beginning, and again for every word.
    """

    def __init__(self, tools: Sequence[BaseTool]) -> None:
        super().__init__()
        self._offered = [convert_to_openai_tool(tool) for tool in tools]

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: ModelHandler
    ) -> ModelResponse[Any]:
        run = _run_of(request.runtime.context)
        patience, emit = run.desk.patience, request.runtime.stream_writer
        chat = run.model.chat()
        settings = self._settings(_bounded(request, run), chat)
        asking = Asking(run=run, messages=request.messages, settings=settings)
        await asking.prepare()
        attempt = 0
        while True:
            attempt += 1
            asked = asking.again()
            watch, block = Watch(taken=run.taken), run.open_block()
            call = run.meter.begin(run.model.config, watch)
            speech = Speech(block, emit, tools="tools" in asked)
            hear = speech.hear if run.assigned is None else _unheard
            try:
                async with asyncio.timeout(patience.call_seconds):
                    message = await chat.answer(asking.said, watch=watch, hear=hear, **asked)
                ended = Asked(
                    run=run,
                    call=call,
                    block=block,
                    messages=request.messages,
                    settings=asked,
                    emit=emit,
                )
                return ModelResponse(result=[answers.accepted(message, ended)])
            except faults.PROVIDER_FAULTS as exc:
                run.meter.failed(call, given_up=faults.given_up(exc))
                fault = faults.read(exc)
                wait = patience.wait(attempt, fault.retry_after) if fault.passing else None
                if await asking.otherwise(fault):
                    # another call, so it has all of its tries
                    attempt, wait = 0, timedelta(0)
                log.warning(
                    "model_call_failed",
                    model=run.model.config.id,
                    error=type(exc).__name__,
                    status=getattr(exc, "status_code", None),
                )
                if not watch.streamed:
                    run.close_empty_block()
                elif wait is not None or fault.rate_limited:
                    emit(TextRetracted(from_block=block))
                if wait is None:
                    raise fault.refusal(run.model.config.id) from exc
            emit(Retrying(after=wait, reason=fault.reason))
            measures.count("rota.model.retries", rate_limited=fault.rate_limited)
            await patience.sleep(wait.total_seconds())

    def _settings(self, request: ModelRequest[Any], chat: StreamingChat) -> dict[str, Any]:
        settings = request.model_settings
        if not request.tools:
            return settings
        if "response_format" in settings:  # the two together have rules of their own
            bound = cast(RunnableBinding[Any, Any], chat.bind_tools(request.tools, **settings))
            return dict(bound.kwargs)
        return {"tools": self._offered, **settings}


class ToolCalls(AgentMiddleware[AgentState[Any], Any, Any]):
    """Has a run's own tool carry out a call, and turns whatever it does into an answer."""

    def __init__(self, tools: Mapping[str, ToolDefinition]) -> None:
        super().__init__()
        self._known = dict(tools)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: ToolHandler
    ) -> ToolMessage | Command[Any]:
        run = _run_of(request.runtime.context)
        refusal = _unreadable(request) or _beyond(request)
        try:
            known = None if refusal else await self._tool(run, request)
            if known is not None:
                request = request.override(tool=known.factory(run))
            message = _answer(request, refusal) if refusal else await handler(request)
        except GraphBubbleUp:
            raise
        except _ENDS_THE_STREAM:
            raise
        except errors.RotaError as exc:
            message = _answer(request, exc.message)
        except Exception as exc:
            log.warning(
                "tool_failed",
                tool=request.tool_call["name"],
                error=type(exc).__name__,
                exc_info=exc,
            )
            message = _answer(request, f"the tool failed: {type(exc).__name__}")
        if isinstance(message, ToolMessage):
            given = message.artifact if isinstance(message.artifact, dict) else {}
            ok = bool(given.get("ok", True)) and message.status != "error"
            spent = {"spent": given["spent"]} if "spent" in given else {}
            message.artifact = run.stamp(ok=ok, resource=given.get("resource", ""), **spent)
        return message

    async def _tool(self, run: Run, request: ToolCallRequest) -> ToolDefinition | None:
        found = self._known.get(request.tool_call["name"])
        if found is not None or not run.may_have(request.tool_call["name"]):
            return found

        async def late() -> ToolDefinition | None:
            found: ToolDefinition | None = run.desk.late(request.tool_call["name"])
            return found

        if stamp_of(_asked(request)).get("segment") == run.segment:
            return await late()
        # what waited for a person waits for its server a little
        return await run.desk.patience.peer(late)


def _run_of(context: object) -> Run:
    if not isinstance(context, Run):
        raise TypeError("a graph was used without its run")
    return context


def _unheard(_: Piece) -> None:
    """What a subagent says is for the main agent only."""


def _answer(request: ToolCallRequest, said: str) -> ToolMessage:
    content, artifact = failed(said).pair()
    return ToolMessage(
        content,
        artifact=artifact,
        name=request.tool_call["name"],
        tool_call_id=request.tool_call["id"],
        status="error",
    )


def _asked(request: ToolCallRequest) -> AIMessage:
    """What the model said when it made the call."""
    return next(m for m in reversed(request.state["messages"]) if isinstance(m, AIMessage))


def _unreadable(request: ToolCallRequest) -> str:
    """What is wrong with a call whose arguments nobody can read; empty for any other."""
    asked = _asked(request)
    sent = unreadable_of(asked).get(str(request.tool_call["id"]))
    if sent is None:
        return ""
    cut = asked.response_metadata.get("finish_reason") == "length"
    why = "were cut off: the answer was too long" if cut else "are not a JSON object"
    shown = one_line(sent, _SHOWN)
    return f"nothing was done: the arguments {why}. They were: {shown or '(empty)'}"


def _beyond(request: ToolCallRequest) -> str:
    """What is said of a call that comes after those that are carried out together."""
    ids = [call["id"] for call in _asked(request).tool_calls[:MOST_AT_ONCE]]
    if request.tool_call["id"] in ids:
        return ""
    return f"nothing was done: at most {MOST_AT_ONCE} tools may be called at once"


def _bounded(request: ModelRequest[Any], run: Run) -> ModelRequest[Any]:
    """The same request within the limits of its stream."""
    calls = sum(1 for m in request.messages if isinstance(m, AIMessage) and stamp_of(m))
    if calls + 1 >= LAST_CALL:
        request = request.override(tools=[])
    task = run.task
    if task is None:
        return request
    settings = dict(request.model_settings)
    if task.output_schema is not None:
        settings["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": "Output",
                "schema": {**task.output_schema, "title": "Output"},
                "strict": False,
            },
        }
        if request.tools:
            settings["strict"] = False  # else every tool's schema would be made strict too
    return request.override(model_settings=settings)
