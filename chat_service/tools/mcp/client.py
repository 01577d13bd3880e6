"""The MCP client: lists a server's tools and calls them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from mcp import ClientSession, McpError, types
from mcp.types import CONNECTION_CLOSED, CallToolResult, ErrorData, Tool
from pydantic import ValidationError

from chat_service.llm.text import one_line
from chat_service.runtime.models_file import McpServer
from chat_service.tools import idempotency
from chat_service.tools.mcp import session as mcp_session
from chat_service.tools.mcp.access_token import TokenNotGiven
from chat_service.tools.mcp.elicitation import Elicitor
from chat_service.tools.mcp.progress import ToolProgress
from chat_service.tools.mcp.result import read_error, read_images, read_output
from chat_service.tools.mcp.sampler import Sampler
from chat_service.tools.mcp.value_limit import TOO_MANY_VALUES
from chat_service.tools.question import QuestionAsked
from shared import errors
from shared.telemetry import logs

MAX_TOOLS: Final = 64  # of one server
MAX_ERROR_TEXT: Final = 2_000
LISTEN_SECONDS: Final = 240.0  # less than what an HTTP stream may be silent
PING_SECONDS: Final = 30.0
# in `_meta` of a call; a repeated call has the same key
IDEMPOTENCY_KEY: Final = "rota.dev/idempotency-key"
INTERRUPTED: Final = (
    "The service was interrupted during this call, so it may or may not have been carried "
    "out. Find out which before you repeat it."
)
# in a result: what became of questions to a person
QUESTIONS: Final = "questions_to_person"
_UNSURE: Final = "it may have done it or not"

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolList:
    """What a server lists: at most MAX_TOOLS tools, and whether it has more.

    `announces` is whether it says that it sends a notice when the list changes.
    """

    tools: list[Tool]
    more: bool
    announces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class McpClient:
    """Speaks with one server. `tools_changed` is called when it says that its list changed.

    `connect_limit` is how many seconds a server may take to open a session and to list its tools.
    """

    server: McpServer
    environ: Mapping[str, str]
    connect_limit: float
    tools_changed: Callable[[], None]
    auth: httpx.Auth | None = None

    async def list_tools(self) -> ToolList:
        """Raises any error of the session. Notices that come with the list itself count nothing."""
        found: list[Tool] = []
        cursor: str | None = None
        announces = False

        async def ask(session: ClientSession, _: asyncio.Timeout) -> None:
            nonlocal cursor, announces
            announces = _announces_changes(session)
            for _page in range(MAX_TOOLS):
                page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
                found.extend(page.tools)
                cursor = page.nextCursor
                if not cursor or len(found) >= MAX_TOOLS:
                    break

        await self._use_session(ask, mcp_session.Handlers())
        more = bool(cursor) or len(found) > MAX_TOOLS
        return ToolList(tools=found[:MAX_TOOLS], more=more, announces=announces)

    async def follow_changes(self) -> None:
        """Keeps a session open for LISTEN_SECONDS, so that the server's notices arrive.

        What changed before the session was open counts as a notice. Returns at once if the server
        announces none. Raises any error of the session.
        """

        async def listen(session: ClientSession, limit: asyncio.Timeout) -> None:
            if _announces_changes(session):
                limit.reschedule(None)
                self.tools_changed()
                await _keep(session, self.connect_limit)

        await self._use_session(listen, mcp_session.Handlers(tools_changed=self.tools_changed))

    async def call_tool(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Calls a tool. Raises RotaError with the tool's message if it fails.

        Raises PeerUnreachable if nothing was done, OutcomeUnknown if the call broke off, and
        QuestionAsked if the server asks a person what nobody has answered.
        """
        current = idempotency.current_call()
        progress = ToolProgress(current, f"{self.server.id}_{tool}")
        answers = None if current is None else current.answers
        elicitor = Elicitor(self.server.id, f"{self.server.id}_{tool}", answers)
        asked = _ToolRequest(tool=tool, arguments=arguments, progress=progress, elicitor=elicitor)

        async def ask(session: ClientSession, limit: asyncio.Timeout) -> None:
            limit.reschedule(asyncio.get_running_loop().time() + self.server.timeout_seconds)
            await asked.of(session)

        try:
            await self._use_session(ask, self._handlers(current, elicitor))
        except Exception as error:
            # after a result, errors of the connection don't matter
            if asked.answer is None and elicitor.question is None:
                raise _broken(self.server, asked, error) from error
        finally:
            progress.end()
        if elicitor.question is not None:
            raise QuestionAsked(elicitor.question)
        if current is not None and isinstance(asked.answer, CallToolResult):
            _keep_images(current, asked.answer)
        return _read_with_questions(self.server, tool, asked)

    def _handlers(
        self, current: idempotency.CurrentCall | None, elicitor: Elicitor
    ) -> mcp_session.Handlers:
        """Returns what is done in a call when the server asks for something itself."""
        sampler = None
        if current is not None and self.server.sampling is not None:
            sampler = Sampler(current, self.server.sampling).sample
        return mcp_session.Handlers(
            tools_changed=self.tools_changed,
            sampling=sampler,
            elicitation=elicitor.elicit,
            asks=elicitor.asks,
        )

    async def _use_session(
        self, use: mcp_session.SessionUse, handlers: mcp_session.Handlers
    ) -> None:
        await mcp_session.use_session(
            self.server,
            self.environ,
            use,
            seconds=self.connect_limit,
            handlers=handlers,
            auth=self.auth,
        )


def _announces_changes(session: ClientSession) -> bool:
    capabilities = session.get_server_capabilities()
    return bool(capabilities and capabilities.tools and capabilities.tools.listChanged)


async def _keep(session: ClientSession, answer_limit: float) -> None:
    """Returns after LISTEN_SECONDS. Raises an error if the server does not answer any more."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LISTEN_SECONDS
    while (left := until - loop.time()) > 0:
        await asyncio.sleep(min(left, PING_SECONDS))
        async with asyncio.timeout(answer_limit):
            await session.send_ping()


def root_cause(error: BaseException) -> BaseException:
    """Returns the first error in nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@dataclass(slots=True, kw_only=True)
class _ToolRequest:
    """One call. It stores errors, since a session would raise them in an exception group."""

    tool: str
    arguments: dict[str, Any]
    progress: ToolProgress
    elicitor: Elicitor
    sent: bool = False
    answer: CallToolResult | Exception | None = field(default=None)

    async def of(self, session: ClientSession) -> None:
        try:
            if await idempotency.start_call():
                self.sent = True
                # ClientSession.call_tool would list the tools again and validate the result
                async with asyncio.timeout(None) as limit:
                    self.elicitor.end_with(limit)
                    self.answer = await session.send_request(
                        self._request(), CallToolResult, progress_callback=self.progress.report
                    )
            else:
                self.answer = idempotency.OutcomeUnknown(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - raised outside of the session
            self.answer = error

    def _request(self) -> types.ClientRequest:
        current = idempotency.current_call()
        meta = None
        if current is not None:
            meta = types.RequestParams.Meta.model_validate({IDEMPOTENCY_KEY: current.key})
        params = types.CallToolRequestParams(name=self.tool, arguments=self.arguments, _meta=meta)
        return types.ClientRequest(types.CallToolRequest(params=params))


def _broken(server: McpServer, asked: _ToolRequest, error: Exception) -> errors.RotaError:
    """Returns the error of a call without a result."""
    found = root_cause(error)
    log.warning(
        "mcp_call_failed",
        server=server.id,
        tool=asked.tool,
        sent=asked.sent,
        error=type(found).__name__,
        status=_status(found),
    )
    if (status := _status(found)) is not None and 400 <= status < 500:
        return errors.RotaError(f"{server.id} refused the call with HTTP {status}")
    if not asked.sent and isinstance(found, TokenNotGiven):
        return idempotency.PeerUnreachable(f"{found}, so nothing was done")
    if not asked.sent:
        return idempotency.PeerUnreachable(f"{server.id} can't be reached, so nothing was done")
    said = "took too long" if isinstance(found, TimeoutError) else "broke off"
    return idempotency.OutcomeUnknown(f"{server.id} {said}; {_UNSURE}")


def _status(error: BaseException) -> int | None:
    return error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None


def _keep_images(current: idempotency.CurrentCall, answer: CallToolResult) -> None:
    """Keeps the images of a result for the next calls of a model that reads images."""
    run = current.run
    if run.context.model.config.supports_images and (images := read_images(answer)):
        run.state.keep_tool_images(current.call.id, images)


def _read_with_questions(server: McpServer, tool: str, asked: _ToolRequest) -> dict[str, Any]:
    """Returns or raises the answer, with what became of questions to a person."""
    said = asked.elicitor.said
    try:
        output = _read(server, tool, asked.answer)
    except errors.RotaError as error:
        if not said:
            raise
        raise type(error)(f"{error.message} ({said})") from error
    return {**output, QUESTIONS: said} if said else output


def _read(
    server: McpServer, tool: str, answer: CallToolResult | Exception | None
) -> dict[str, Any]:
    match answer:
        case CallToolResult(isError=True):
            raise errors.RotaError(one_line(read_error(answer), MAX_ERROR_TEXT) or f"{tool} failed")
        case CallToolResult():
            return read_output(answer)
        case McpError(error=ErrorData(code=code, message="Connection closed")) if (
            code == CONNECTION_CLOSED  # which servers may use for errors of their own too
        ):
            raise idempotency.OutcomeUnknown(f"{server.id} broke off; {_UNSURE}") from answer
        case McpError(error=ErrorData(code=code, message=said)) if code == TOO_MANY_VALUES:
            raise idempotency.OutcomeUnknown(
                f"{server.id}: {one_line(said, MAX_ERROR_TEXT)}; {_UNSURE}"
            ) from answer
        case McpError():
            said = one_line(answer.error.message, MAX_ERROR_TEXT) or f"error {answer.error.code}"
            raise errors.RotaError(f"{server.id} refused the call: {said}") from answer
        case ValidationError():
            raise idempotency.OutcomeUnknown(
                f"{server.id} gave an answer that is not the result of a tool; {_UNSURE}"
            ) from answer
        case errors.RotaError():
            raise answer
    raise idempotency.OutcomeUnknown(f"{server.id} broke off; {_UNSURE}") from answer
