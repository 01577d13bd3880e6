"""The ways in: gRPC straight to a service, JSON and gRPC-Web through the gateway."""

import base64
import json
import re
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any, Final, Protocol
from urllib.parse import quote

import grpc
import httpx2
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from tests.fuzz.outcome import Call, Outcome, of_status
from tests.fuzz.requests import to_json
from tests.fuzz.texts import broken_path, broken_text, odd_headers, odd_verb
from tests.support.system.live import METHODS, Live

UNARY_SECONDS: Final = 90.0  # the service's own limit is 60
STREAM_SECONDS: Final = 1.5
MOST_FRAMES: Final = 60
_EMPTY: Final = frozenset({204, 304})
_HTTP_FAULTS: Final = range(500, 600)
_SAID: Final = frozenset({501, 503, 504})  # of UNIMPLEMENTED, UNAVAILABLE, DEADLINE_EXCEEDED


class Door(Protocol):
    def send(self, call: Call) -> Awaitable[Outcome]: ...


@asynccontextmanager
async def opened(name: str, live: Live, dice: Random) -> AsyncIterator[Door]:
    """`straight`, `json` or `grpc-web`."""
    async with AsyncExitStack() as stack:
        if name == "straight":
            options = [
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_metadata_size", 1 << 20),
                ("grpc.absolute_max_metadata_size", 1 << 20),
            ]
            channels = {
                address: await stack.enter_async_context(
                    grpc.aio.insecure_channel(address, options=options)
                )
                for address in (live.chat, live.automation)
            }
            yield Straight(live, channels)
            return
        client = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=live.url, timeout=UNARY_SECONDS)
        )
        yield Json(client, dice) if name == "json" else GrpcWeb(client)


class Straight:
    def __init__(self, live: Live, channels: dict[str, grpc.aio.Channel]) -> None:
        self._live = live
        self._channels = channels

    async def send(self, call: Call) -> Outcome:
        method = METHODS[call.method]
        channel = self._channels[self._live.address(call.method)]
        path = f"/{method.containing_service.full_name}/{method.name}"
        metadata = [("authorization", f"Bearer {call.token}")] if call.token else []
        try:
            if method.server_streaming:
                return await _read(channel.unary_stream(path), call, metadata)
            begin: Any = channel.unary_unary(path)
            answer = await begin(call.said, metadata=metadata, timeout=UNARY_SECONDS)
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        return Outcome(answers=[GetMessageClass(method.output_type).FromString(answer)])


async def _read(begin: Any, call: Call, metadata: Any) -> Outcome:
    """The first frames of a stream, as many as come in a moment."""
    stream = begin(call.said, metadata=metadata, timeout=STREAM_SECONDS)
    kind, frames = GetMessageClass(METHODS[call.method].output_type), []
    try:
        async for frame in stream:
            frames.append(kind.FromString(frame))
            if len(frames) == MOST_FRAMES:
                stream.cancel()
                break
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            return _refused(error)
    return Outcome(answers=frames)


def _refused(error: grpc.aio.AioRpcError) -> Outcome:
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(packed)
    if not packed:
        status.code, status.message = error.code().value[0], error.details() or ""
    return of_status(status)


class GrpcWeb:
    """A byte of flags and four of length stand before a message and before the trailers."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def send(self, call: Call) -> Outcome:
        method = METHODS[call.method]
        headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
        if call.token:
            headers["authorization"] = f"Bearer {call.token}"
        if method.server_streaming:
            headers["grpc-timeout"] = f"{int(STREAM_SECONDS * 1000)}m"
        answer = await self._client.post(
            f"/{method.containing_service.full_name}/{method.name}",
            content=struct.pack(">BI", 0, len(call.said)) + call.said,
            headers=headers,
        )
        if answer.status_code != 200 and "grpc-status" not in answer.headers:
            return Outcome(code=2, fault=f"HTTP {answer.status_code}: {answer.text[:300]}")
        trailers = dict(answer.headers)
        kind, answers = GetMessageClass(method.output_type), []
        for flags, payload in _framed(answer.content):
            if flags & 0x80:
                lines = payload.decode().strip().split("\r\n")
                trailers |= {
                    key: value.strip() for key, _, value in (x.partition(":") for x in lines)
                }
            else:
                answers.append(kind.FromString(payload))
        code = int(trailers.get("grpc-status", 2))
        if code == 0 or (code == 4 and method.server_streaming):
            return Outcome(answers=answers)
        packed = trailers.get("grpc-status-details-bin", "")
        status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
        if not packed:
            status.code, status.message = code, trailers.get("grpc-message", "")
        return of_status(status)


def _framed(content: bytes) -> Any:
    while len(content) >= 5:
        flags, length = struct.unpack(">BI", content[:5])
        yield flags, content[5 : 5 + length]
        content = content[5 + length :]


class Json:
    """Bytes that are not those of the request are sent as JSON that is broken somewhere."""

    def __init__(self, client: httpx2.AsyncClient, dice: Random) -> None:
        self._client = client
        self._dice = dice

    async def send(self, call: Call) -> Outcome:
        verb, path, query, body = _mapped(call.method, to_json(call.request) or {})
        content = b"" if body is None else _dumped(body)
        if not call.plain:
            content = broken_text(content, self._dice)
            path, query = broken_path(path, query, self._dice)
            verb = odd_verb(verb, self._dice)
        headers = {"content-type": "application/json"} if content else {}
        if not call.plain:
            headers |= odd_headers(self._dice)
        if call.token:
            headers["authorization"] = f"Bearer {call.token}"
        url = f"{path}?{query}" if query else path
        try:
            return await self._sent(call, verb, url, content, headers)
        except httpx2.InvalidURL:
            return Outcome()
        except httpx2.RemoteProtocolError as error:
            return Outcome(code=2, fault=f"cut off: {error}")

    async def _sent(
        self, call: Call, verb: str, url: str, content: bytes, headers: dict[str, str]
    ) -> Outcome:
        if METHODS[call.method].server_streaming:
            return await self._stream(verb, url, content, headers)
        answer = await self._client.request(verb, url, content=content, headers=headers)
        if verb == "HEAD" or answer.status_code in _EMPTY:
            return Outcome()
        if answer.status_code != 200:
            return _of_http(answer)
        found = GetMessageClass(METHODS[call.method].output_type)()
        try:
            json_format.Parse(answer.content, found)
        except json_format.ParseError:  # the path was that of another call
            return Outcome()
        return Outcome(answers=[found])

    async def _stream(
        self, verb: str, url: str, content: bytes, headers: dict[str, str]
    ) -> Outcome:
        limit = httpx2.Timeout(UNARY_SECONDS, read=STREAM_SECONDS)
        try:
            async with self._client.stream(
                verb, url, content=content, headers=headers, timeout=limit
            ) as answer:
                if verb == "HEAD" or answer.status_code in _EMPTY:
                    return Outcome()
                if answer.status_code != 200:
                    await answer.aread()
                    return _of_http(answer)
                count = 0
                async for _ in answer.aiter_lines():
                    count += 1
                    if count == MOST_FRAMES:
                        break
        except httpx2.ReadTimeout:
            pass
        return Outcome()


def _of_http(answer: httpx2.Response) -> Outcome:
    status = status_pb2.Status()
    try:
        json_format.Parse(answer.content, status)
    except (json_format.ParseError, UnicodeDecodeError):
        said = f"HTTP {answer.status_code} of {answer.request.url.raw_path[:200]!r}"
        return Outcome(code=2, fault=f"{said}: {answer.text[:300]}")
    outcome = of_status(status)
    if answer.status_code in _HTTP_FAULTS and answer.status_code not in _SAID and not outcome.fault:
        return Outcome(code=2, fault=f"HTTP {answer.status_code}: {answer.text[:300]}")
    return outcome


def _mapped(method: str, said: dict[str, Any]) -> tuple[str, str, str, Any]:
    """The verb, path, query and body of a request, by its `google.api.http`."""
    http = METHODS[method].GetOptions().Extensions[annotations_pb2.http]
    verb = http.WhichOneof("pattern")
    path = re.sub(r"\{([\w.]+)=[^}]*\}", lambda found: _taken(said, found[1]), getattr(http, verb))
    body: Any = None
    if http.body == "*":
        body, said = said, {}
    elif http.body:
        body = said.pop(http.body, {})
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in _flat(said, ""))
    return verb.upper(), path, query, body


def _taken(said: dict[str, Any], path: str) -> str:
    *around, last = path.split(".")
    for part in around:
        said = said.get(part, {})
    return quote(str(said.pop(last, "")), safe="/")


def _flat(said: dict[str, Any], at: str) -> Any:
    for key, value in said.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{at}{key}.")
        elif isinstance(value, list):
            for item in value:
                yield f"{at}{key}", str(item)
        else:
            yield f"{at}{key}", str(value).lower() if isinstance(value, bool) else str(value)


def _dumped(body: Any) -> bytes:
    return json.dumps(body).encode()
