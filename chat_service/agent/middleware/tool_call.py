"""Middleware around each tool call: errors become results, and how many calls an answer may have.

What a capability's result may hold is in `chat_service/tools/capability_result.py`.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import psycopg
from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command
from psycopg_pool import PoolTimeout

from chat_service.agent.middleware.common import agent_run, calling_message
from chat_service.llm.text import one_line
from chat_service.runtime.run_context import AgentRun, repairs_of, stamp_of, unreadable_of
from chat_service.tools.definition import ToolDefinition, error_result
from chat_service.tools.results import TURN_ERRORS
from shared import errors
from shared.telemetry import logs

log = logs.logger(__name__)
# tool calls of one answer; further ones fail
MAX_PARALLEL_CALLS: Final = 64
_SHOWN: Final = 200  # characters of arguments that can't be read
# errors that end the stream instead of becoming a tool's result
_STREAM_ERRORS: Final = (*TURN_ERRORS, psycopg.Error, PoolTimeout)
ToolHandler = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]


class ToolCallMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Runs the tool of the run for a call, and turns errors into results."""

    def __init__(self, tools: Mapping[str, ToolDefinition]) -> None:
        super().__init__()
        self._known = dict(tools)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: ToolHandler
    ) -> ToolMessage | Command[Any]:
        run = agent_run(request.runtime.context)
        refusal = _unreadable(request) or _beyond(request)
        repairs = repairs_of(calling_message(request)).get(str(request.tool_call["id"]))
        if repairs:
            run.state.repairs[str(request.tool_call["id"])] = repairs
        try:
            known = None if refusal else await self._tool(run, request)
            if known is not None:
                request = request.override(tool=known.factory(run))
            message = _answer(request, refusal) if refusal else await handler(request)
        except GraphBubbleUp:
            raise
        except _STREAM_ERRORS:
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
            if repairs:
                message.content = _with_repairs(message.text, repairs)
            message.artifact = run.context.stamp(ok=ok, resource=given.get("resource", ""), **spent)
        return message

    async def _tool(self, run: AgentRun, request: ToolCallRequest) -> ToolDefinition | None:
        found = self._known.get(request.tool_call["name"])
        if found is not None or not run.context.may_have(request.tool_call["name"]):
            return found

        async def late() -> ToolDefinition | None:
            found: ToolDefinition | None = run.deps.deferred(request.tool_call["name"])
            return found

        if stamp_of(calling_message(request)).get("segment") == run.context.segment:
            return await late()
        # retry: an approved call outlives a short outage of its MCP server
        found = await run.deps.retry.peer.call(late)
        if found is None:
            name = request.tool_call["name"]
            raise errors.RotaError(f"{name} is not offered any more, so nothing was done")
        return found


def _with_repairs(content: str, repairs: Sequence[str]) -> str:
    """Returns a result that says what was done to the arguments of its call."""
    try:
        found = json.loads(content)
    except ValueError:
        found = content
    output = found if isinstance(found, dict) else {"result": found}
    said = f"The call was repaired: {'; '.join(repairs)}."
    return json.dumps({**output, "call_repaired": said}, ensure_ascii=False)


def _answer(request: ToolCallRequest, said: str) -> ToolMessage:
    content, artifact = error_result(said).to_langchain()
    return ToolMessage(
        content,
        artifact=artifact,
        name=request.tool_call["name"],
        tool_call_id=request.tool_call["id"],
        status="error",
    )


def _unreadable(request: ToolCallRequest) -> str:
    """Returns the refusal of a call with unreadable arguments; empty for any other."""
    asked = calling_message(request)
    sent = unreadable_of(asked).get(str(request.tool_call["id"]))
    if sent is None:
        return ""
    cut = asked.response_metadata.get("finish_reason") == "length"
    why = "were cut off: the answer was too long" if cut else "are not a JSON object"
    shown = one_line(sent, _SHOWN)
    return f"nothing was done: the arguments {why}. They were: {shown or '(empty)'}"


def _beyond(request: ToolCallRequest) -> str:
    """Returns the refusal of a call beyond MAX_PARALLEL_CALLS; empty for any other."""
    ids = [call["id"] for call in calling_message(request).tool_calls[:MAX_PARALLEL_CALLS]]
    if request.tool_call["id"] in ids:
        return ""
    return f"nothing was done: at most {MAX_PARALLEL_CALLS} tools may be called at once"
