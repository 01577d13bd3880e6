"""A process that speaks MCP over its standard input and output, with lines of limited length."""

import contextlib
import os
import signal
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage

from chat_service.tools.mcp.value_limit import error_in_place, exceeds_values, read_answered_id
from shared.telemetry import logs

# of one line of a process: a message is one line
MAX_LINE_BYTES: Final = 8 * 1024 * 1024
# a process may take this long to end by itself after its input is closed
EXIT_SECONDS: Final = 2.0

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]

_CLOSED: Final = (anyio.ClosedResourceError, anyio.BrokenResourceError)

log = logs.logger(__name__)


class _LineTooLong(Exception):
    pass


@asynccontextmanager
async def open_process(
    server: str, command: Sequence[str], env: Mapping[str, str]
) -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """Starts the command and yields its streams. Raises OSError if it can't be started.

    The process gets `env` and the variables that the MCP SDK passes on, and no others. A line
    above MAX_LINE_BYTES ends the stream, as the end of the process does. An answer above the
    limit of values is replaced by an error. The process and its
    children are ended on leaving.
    """
    process = await anyio.open_process(
        list(command), env={**get_default_environment(), **env}, stderr=None, start_new_session=True
    )
    incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    async with process, anyio.create_task_group() as group:
        group.start_soon(_receive, server, process, incoming)
        group.start_soon(_send, process, outgoing)
        try:
            yield read, write
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            for stream in (read, write, incoming, outgoing):
                await stream.aclose()
            group.cancel_scope.cancel()


async def _receive(
    server: str, process: Process, incoming: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    assert process.stdout is not None
    with contextlib.suppress(*_CLOSED):
        async with incoming:
            try:
                async for line in _lines(process.stdout):
                    await incoming.send(_message(_within_limit(server, line)))
            except _LineTooLong:
                log.warning("mcp_line_too_long", server=server, most=MAX_LINE_BYTES)
                process.kill()  # it may wait for a reader and not see the end of its input


async def _lines(pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    line = bytearray()
    async for piece in pieces:
        for number, part in enumerate(piece.split(b"\n")):
            if number:
                yield bytes(line)
                line.clear()
            line += part
            if len(line) > MAX_LINE_BYTES:
                raise _LineTooLong


def _within_limit(server: str, line: bytes) -> bytes:
    """Returns a line, or the error in place of one with too many values."""
    if not exceeds_values(line):
        return line
    log.warning("mcp_answer_left_out", server=server)
    answered = read_answered_id(line)
    if answered is None:
        raise _LineTooLong
    return error_in_place(answered)


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(JSONRPCMessage.model_validate_json(line))
    except ValueError as error:
        return error


async def _send(process: Process, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(*_CLOSED):
        async with outgoing:
            async for message in outgoing:
                said = message.message.model_dump_json(by_alias=True, exclude_none=True)
                await process.stdin.send(said.encode() + b"\n")


async def _end(process: Process) -> None:
    """Closes the process's input, as the protocol says, and ends what does not end then."""
    assert process.stdin is not None
    with contextlib.suppress(*_CLOSED):
        await process.stdin.aclose()
    with anyio.move_on_after(EXIT_SECONDS) as waited, contextlib.suppress(ProcessLookupError):
        await process.wait()
    if waited.cancelled_caught:
        await _end_group(process.pid)


async def _end_group(group: int) -> None:
    """Ends the processes of a group: they are asked, and killed after EXIT_SECONDS.

    A process is the first of its group. One that has ended meanwhile is no error.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        with anyio.move_on_after(EXIT_SECONDS):
            while True:
                os.killpg(group, 0)  # whether any is left
                await anyio.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
