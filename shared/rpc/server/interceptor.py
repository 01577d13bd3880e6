"""The interceptor of every server: it checks callers and requests, and converts errors."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from shared import errors, resources
from shared.aio import take_turn
from shared.rpc import status
from shared.rpc.access import Role
from shared.rpc.messages import wire
from shared.rpc.messages.request_check import check_request
from shared.rpc.server.callers import Method, find_method, require_caller
from shared.rpc.server.open_streams import OpenCalls, OpenStreams
from shared.rpc.server.stream_limits import StreamLimits
from shared.security import caller
from shared.telemetry import logs, metrics

OPEN: Final = ("/grpc.health.v1.Health/", "/grpc.reflection.")
UNARY_LIMIT_SECONDS: Final = 60.0
RETRY_AFTER: Final = timedelta(seconds=1)
# A request of more bytes may hold many values, which take time to be read.
LARGE_REQUEST: Final = 16 << 10
# Of one byte of a large request, in the units of TurnShare.
_BYTE_COST: Final = 1

Headers = Sequence[tuple[str, str | bytes]]
Parse = Callable[[bytes], Any]

log = logs.logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerInterceptor(grpc.aio.ServerInterceptor):
    """The guard of every call: who calls, how much is sent, what it says, and where.

    It looks at the token before it reads the request, at the size and the count of fields before
    it parses, and at the membership before it tells what is wrong with the message. Health and
    reflection take any caller. `translate` turns a fault of a library into a refusal, or gives
    None. `limits` are request sizes in bytes by method; `limit` is the size for the rest. `admit`
    admits the caller to a resource name with a role, as Access does; without it only the token is
    asked. `streams` and `calls` are those that it serves, `stream_limits` bound streams by person
    and workspace.
    """

    verifier: caller.Verifier
    translate: Callable[[BaseException], errors.RotaError | None]
    limit: int = 1 << 20
    limits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    admit: Callable[[str, Role], Awaitable[object]] | None = None
    streams: OpenStreams = dataclasses.field(default_factory=OpenStreams)
    calls: OpenCalls = dataclasses.field(default_factory=OpenCalls)
    stream_limits: StreamLimits | None = None

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        handler, path = await continuation(details), details.method
        if handler is None:
            return grpc.stream_unary_rpc_method_handler(self._not_served(path, _headers(details)))
        if path.startswith(OPEN):
            return self._open(handler)
        parse, method = handler.request_deserializer, find_method(path)
        # The request is read as bytes, once its token is known to be good.
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, _headers(details), parse, handler.unary_stream),
                None,
                _same_bytes,
            )
        return grpc.stream_unary_rpc_method_handler(
            self._unary(method, _headers(details), parse, handler.unary_unary),
            None,
            handler.response_serializer,
        )

    def end_calls(self) -> None:
        """Ends every call and stream with UNAVAILABLE, since the replica stops."""
        self.calls.end()
        self.streams.end(_stopping())

    def _unary(self, method: Method, headers: Headers, parse: Parse, serve: Any) -> Any:
        async def guarded(_: Any, context: Any) -> Any:
            with metrics.start_rpc(method.path, headers) as call:
                try:
                    scope = caller.CallerScope(self._authenticate(method.path, headers))
                    async with asyncio.timeout(UNARY_LIMIT_SECONDS) as deadline:
                        self.calls.add(deadline)
                        name = ""
                        try:
                            request = self._parse(method, parse, await context.read())
                            name = _require_member(scope.caller, method.name_of(request))
                            await _take_turn(request, name)
                            with scope:
                                check_request(request)
                                answer = await serve(request, context)
                        except errors.RotaError as error:
                            await self._admit_first(error, scope, name, method.role)
                            raise
                        finally:
                            self.calls.discard(deadline)
                except asyncio.CancelledError:
                    raise
                except Exception as error:  # noqa: BLE001 - a caller always gets a status
                    await self._refuse(context, method.path, error, call)
            log.info("rpc_served", method=method.path, ms=_since(call.began))
            return answer

        return guarded

    def _stream(self, method: Method, headers: Headers, parse: Parse, serve: Any) -> Any:
        # Taken once: a stream that stays open for days keeps no token.
        given = [headers]
        del headers

        async def guarded(_: Any, context: Any) -> AsyncIterator[Any]:
            frames, headers = None, given.pop()
            with metrics.start_rpc(method.path, headers) as call:
                try:
                    scope = caller.CallerScope(self._authenticate(method.path, headers))
                    del headers
                    async with asyncio.timeout(UNARY_LIMIT_SECONDS):
                        request = self._parse(method, parse, await context.read())
                        name = _require_member(scope.caller, method.name_of(request))
                        await _take_turn(request, name)
                    counted = self._count(scope.caller, name)
                    with counted, scope, self.streams.open(scope) as stream:
                        try:
                            check_request(request)
                            frames = serve(request, context)
                            del request
                            while (frame := await stream.next(frames)) is not None:
                                yield frame
                        except errors.RotaError as error:
                            await self._admit_first(error, scope, name, method.role)
                            raise
                except (asyncio.CancelledError, GeneratorExit):
                    raise
                except Exception as error:  # noqa: BLE001 - a caller always gets a status
                    await self._refuse(context, method.path, error, call)
                finally:
                    if frames is not None:
                        await frames.aclose()
            log.info("rpc_served", method=method.path, ms=_since(call.began))

        return guarded

    def _count(self, who: caller.Caller, name: str) -> AbstractContextManager[None]:
        if self.stream_limits is None:
            return nullcontext()
        return self.stream_limits.count(who, name)

    def _open(self, handler: Any) -> Any:
        """Health and reflection: they take any caller, and nothing that can't be read."""
        parse = handler.request_deserializer

        async def answer(_: Any, context: Any) -> Any:
            try:
                serve = handler.unary_unary or handler.unary_stream
                return await serve(_read(parse, await context.read()), context)
            except errors.RotaError as error:
                await _abort(context, error)

        async def talk(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
            parsed = (_read(parse, raw) async for raw in requests)
            try:
                async for said in handler.stream_stream(parsed, context):
                    yield said
            except errors.RotaError as error:
                await _abort(context, error)

        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(talk, None, handler.response_serializer)
        kind = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        return kind(answer, None, handler.response_serializer)

    def _not_served(self, path: str, headers: Headers) -> Any:
        async def refuse(_: Any, context: Any) -> NoReturn:
            refusal: errors.RotaError = errors.NotServed(path)
            try:
                self.verifier.verify(_authorization(headers))
            except errors.Unauthenticated as error:
                refusal = error
            log.info("rpc_not_served", method=path[:200], code=refusal.code.name)
            await _abort(context, refusal)

        return refuse

    def _authenticate(self, path: str, headers: Headers) -> caller.Caller:
        who = self.verifier.verify(_authorization(headers))
        require_caller(path, who)
        return who

    def _parse(self, method: Method, parse: Parse, raw: Any) -> Any:
        limit = self.limits.get(method.path, self.limit)
        if isinstance(raw, bytes) and len(raw) > limit:
            raise errors.RequestTooLarge(size=len(raw), limit=limit)
        if method.request is not None and isinstance(raw, bytes) and len(raw) > LARGE_REQUEST:
            wire.check_field_count(method.request, raw)
        return _read(parse, raw)

    async def _admit_first(
        self, error: errors.RotaError, scope: caller.CallerScope, name: str, role: Role
    ) -> None:
        """Admits who is told of a fault of the message, unless the call was admitted before.

        Raises what the caller is refused with instead.
        """
        if error.code is not errors.Code.INVALID_ARGUMENT or scope.grants:
            return
        if self.admit is not None and name.startswith("workspaces/"):
            with caller.CallerScope(scope.caller, scope.grants):
                await self.admit(name, role)

    async def _refuse(
        self, context: Any, method: str, error: Exception, call: metrics.RpcSpan
    ) -> NoReturn:
        refusal = self._refusal(method, error)
        call.record_refusal(refusal.code.name, refusal.reason)
        log.info("rpc_refused", method=method, code=refusal.code.name, reason=refusal.reason)
        await _abort(context, refusal)

    def _refusal(self, method: str, error: Exception) -> errors.RotaError:
        if isinstance(error, errors.RotaError):
            return error
        if isinstance(error, NotImplementedError):  # what a generated servicer raises
            return errors.NotServed(method)
        if isinstance(error, TimeoutError):
            if self.calls.has_ended:
                return _stopping()
            return errors.TimedOut(
                "the call took too long",
                metadata={"timeout_seconds": str(int(UNARY_LIMIT_SECONDS))},
            )
        if (known := self.translate(error)) is not None:
            return known
        error_id = str(resources.new_id())
        log.error("rpc_failed", method=method, error_id=error_id, exc_info=error)
        return errors.Internal(error_id)


def _require_member(who: caller.Caller, name: str) -> str:
    """Returns the name of a resource. By the token the caller is a member of its workspace.

    Raises ResourceNotFound for anyone else. What is no name of ours is refused as a field.
    """
    if name.startswith("workspaces/") and name.split("/")[1] not in who.workspaces:
        raise errors.ResourceNotFound(name)
    return name


async def _take_turn(request: Message, name: str) -> None:
    """Waits for a turn of the loop that has time for a request, if it is large."""
    if (size := request.ByteSize()) > LARGE_REQUEST:
        await take_turn(_BYTE_COST * size, by="/".join(name.split("/")[:2]))


def _read(parse: Parse, raw: Any) -> Any:
    """Raises RequestMalformed for bytes that are no message, and for a call without any."""
    if not isinstance(raw, bytes):
        raise errors.RequestMalformed("the call has no whole message")
    try:
        return parse(raw)
    except DecodeError:
        raise errors.RequestMalformed("the bytes are not a message of this method") from None


async def _abort(context: Any, refusal: errors.RotaError) -> NoReturn:
    await context.abort_with_status(rpc_status.to_status(status.to_trailers(refusal)))
    raise AssertionError("abort raises")


def _stopping() -> errors.RotaError:
    return errors.ServiceUnavailable("the service is stopping; try again", retry_after=RETRY_AFTER)


def _authorization(headers: Headers) -> str:
    return str(dict(headers).get("authorization", ""))


def _headers(details: grpc.HandlerCallDetails) -> Headers:
    return tuple(details.invocation_metadata or ())


def _same_bytes(frame: Message | bytes) -> bytes:
    """Returns the same bytes for a frame on every replica: as stored, or with sorted maps."""
    return frame if isinstance(frame, bytes) else frame.SerializeToString(deterministic=True)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
