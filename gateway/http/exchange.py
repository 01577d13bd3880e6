"""One request and its answer over ASGI: body, headers, refusals, and a caller who leaves."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http import HTTPStatus
from typing import Any, Final, TypeVar

import grpc
from google.rpc import code_pb2

from gateway.http import failure
from gateway.http.messages import message_writer
from gateway.http.refusal import TOO_LARGE, Refusal, refuse
from gateway.local_replies import MESSAGE_BYTES, REQUEST_BYTES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")

JSON: Final = "application/json"
# Of an answer with a secret: no cache keeps it, and none compresses it, since its size would tell
# of the secret to who chooses what stands beside it.
SECRET: Final[dict[str, str]] = {"cache-control": "no-store, no-transform"}
# The gateway's own limits: images need the room.
LARGEST_BODIES: Final[Mapping[str, int]] = {"SendMessage": MESSAGE_BYTES}
# What is larger is parsed and written beside the loop, so that no stream waits for it.
LARGE: Final = 32 << 10
# What the services are told of a request, as gRPC's own callers tell them.
FORWARDED: Final = frozenset(
    {
        b"authorization", b"traceparent", b"tracestate", b"baggage", b"x-request-id",
        b"x-forwarded-for", b"x-forwarded-proto", b"x-user-agent", b"accept-language",
    }
)  # fmt: skip

log = logging.getLogger(__name__)


class Gone(Exception):
    """The caller left before the answer."""


async def read_body(receive: Receive, call_name: str = "", *, seconds: float) -> bytes:
    """Returns the body of a request for a call.

    Raises Refusal when it is too large or does not come whole within `seconds`, and Gone.
    """
    limit = LARGEST_BODIES.get(call_name, REQUEST_BYTES)
    try:
        async with asyncio.timeout(seconds):
            return await _read_parts(receive, limit)
    except TimeoutError:
        raise _late() from None


def check_size(size: int, call_name: str) -> None:
    """Raises Refusal for JSON that is more bytes as a message than its call takes."""
    limit = LARGEST_BODIES.get(call_name, REQUEST_BYTES)
    if size > limit:
        raise _too_large(limit, f"as a message the request has {size} bytes; the limit is {limit}")


async def _read_parts(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Gone
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if not event.get("more_body"):
            return b"".join(parts)


def header(scope: Scope, name: bytes) -> str:
    """Returns a header's value, the last of several; empty when there is none."""
    return str(dict(scope["headers"]).get(name, b"").decode("latin-1"))


def metadata(scope: Scope) -> list[tuple[str, str]]:
    """Returns what the service is told of a request beside its message."""
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name in FORWARDED and _is_printable(value)
    ]


async def await_call(made: Any, receive: Receive) -> Any:
    """Awaits a call; cancels it when the caller leaves. Raises Refusal or Gone."""
    call = asyncio.ensure_future(made)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((call, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise Gone
        return call.result()
    except grpc.aio.AioRpcError as exc:
        raise failure.from_call(exc) from None
    finally:
        leaving.cancel()
        if not call.done():
            made.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await call


async def run_beside_loop(size: int, work: Callable[[], T]) -> T:
    """Does the work of so many bytes, in a thread if they are many."""
    if size <= LARGE:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)


@cache
def _threads() -> ThreadPoolExecutor:
    # They share the interpreter with the streams: more of them would do no more and delay those.
    return ThreadPoolExecutor(2, thread_name_prefix="body")


async def answer(
    send: Send, status: int, headers: Mapping[str, str], body: bytes, method: str = ""
) -> None:
    bodyless = status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    length = {} if bodyless else {"content-length": str(len(body))}
    await send(start(status, {**headers, **length}))
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


async def answer_refusal(send: Send, refusal: Refusal, method: str) -> None:
    body = message_writer.dump(failure.to_json(refusal))
    await answer(send, refusal.http, {"content-type": JSON, **refusal.headers}, body, method)


def start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    told = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": int(status), "headers": told}


async def send_part(send: Send, body: bytes) -> None:
    """Sends a part of a body at once; more follow."""
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def send_end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b""})


async def complete(
    serve: Callable[[Send], Awaitable[None]],
    refused: Callable[[Refusal], Awaitable[None]],
    send: Send,
) -> None:
    """Serves an exchange; `refused` answers where it is refused or fails.

    An answer that has begun is cut off instead, so that nobody takes it for whole.
    """
    begun = False

    async def note(event: MutableMapping[str, Any]) -> None:
        nonlocal begun
        begun = True
        await send(event)

    try:
        await serve(note)
    except Refusal as refusal:
        await refused(refusal)
    except Gone:
        return
    except Exception:
        error_id = uuid.uuid4().hex
        log.exception("the door failed; error_id %s", error_id)
        if not begun:
            await refused(_internal(error_id))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _internal(error_id: str) -> Refusal:
    return refuse(
        code_pb2.INTERNAL, "INTERNAL", "the gateway failed", metadata={"error_id": error_id}
    )


def _too_large(limit: int, said: str = "") -> Refusal:
    return refuse(
        code_pb2.RESOURCE_EXHAUSTED,
        TOO_LARGE,
        said or f"the request has too many bytes; the limit is {limit}",
        metadata={"limit_bytes": str(limit)},
        http=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def _late() -> Refusal:
    return refuse(
        code_pb2.DEADLINE_EXCEEDED,
        "TIMED_OUT",
        "the request did not come in time",
        http=HTTPStatus.REQUEST_TIMEOUT,
    )


def _is_printable(value: bytes) -> bool:
    # gRPC carries nothing else as text.
    return all(0x20 <= byte < 0x7F for byte in value)
