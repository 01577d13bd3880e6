"""The interceptor of every server: it checks callers and requests, and converts errors."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status

from shared import errors, resources
from shared.rpc import status
from shared.rpc.callers import require_caller
from shared.rpc.open_streams import OpenStreams
from shared.rpc.request_check import check_request
from shared.rpc.stream_limits import StreamLimits
from shared.security import caller
from shared.telemetry import logs, metrics

OPEN: Final = ("/grpc.health.v1.Health/", "/grpc.reflection.")
UNARY_LIMIT_SECONDS: Final = 60.0

Headers = Sequence[tuple[str, str | bytes]]

log = logs.logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerInterceptor(grpc.aio.ServerInterceptor):
    """Authenticates and validates every call but health and reflection.

    `translate` turns a fault of a library into a refusal, or gives None. `limits` are request
    sizes in bytes by method; `limit` is the size for the rest. `streams` are those that it serves,
    `stream_limits` bound them by person and workspace.
    """

    verifier: caller.Verifier
    translate: Callable[[BaseException], errors.RotaError | None]
    limit: int = 1 << 20
    limits: tuple[tuple[str, int], ...] = ()
    streams: OpenStreams = dataclasses.field(default_factory=OpenStreams)
    stream_limits: StreamLimits | None = None

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN):
            return handler
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(details.method, _headers(details), handler.unary_stream),
                handler.request_deserializer,
                _same_bytes,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(details.method, _headers(details), handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _unary(self, method: str, headers: Headers, serve: Any) -> Any:
        async def guarded(request: Message, context: Any) -> Any:
            with metrics.start_rpc(method, headers) as call:
                try:
                    with caller.CallerScope(self._admitted(method, headers, request)):
                        async with asyncio.timeout(UNARY_LIMIT_SECONDS):
                            answer = await serve(request, context)
                except asyncio.CancelledError:
                    raise
                except Exception as error:  # noqa: BLE001 - a caller always gets a status
                    await self._refuse(context, method, error, call)
            log.info("rpc_served", method=method, ms=_since(call.began))
            return answer

        return guarded

    def _stream(self, method: str, headers: Headers, serve: Any) -> Any:
        # Taken once: a stream that stays open for days keeps no token.
        given = [headers]
        del headers

        async def guarded(request: Message, context: Any) -> AsyncIterator[Any]:
            frames, headers = None, given.pop()
            with metrics.start_rpc(method, headers) as call:
                try:
                    scope = caller.CallerScope(self._admitted(method, headers, request))
                    del headers
                    counted = self._count(scope.caller, request)
                    with counted, scope, self.streams.open(scope) as stream:
                        frames = serve(request, context)
                        del request
                        while (frame := await stream.next(frames)) is not None:
                            yield frame
                except (asyncio.CancelledError, GeneratorExit):
                    raise
                except Exception as error:  # noqa: BLE001 - a caller always gets a status
                    await self._refuse(context, method, error, call)
                finally:
                    if frames is not None:
                        await frames.aclose()
            log.info("rpc_served", method=method, ms=_since(call.began))

        return guarded

    def _count(self, who: caller.Caller, request: Message) -> AbstractContextManager[None]:
        if self.stream_limits is None:
            return nullcontext()
        return self.stream_limits.count(who, str(getattr(request, "name", "")))

    def _admitted(self, method: str, headers: Headers, request: Message) -> caller.Caller:
        who = self.verifier.verify(str(dict(headers).get("authorization", "")))
        require_caller(method, who)
        limit = dict(self.limits).get(method, self.limit)
        if (size := request.ByteSize()) > limit:
            raise errors.RotaError(
                f"the request has {size} bytes; the limit is {limit}",
                code=errors.Code.RESOURCE_EXHAUSTED,
                reason="INVALID_REQUEST",
            )
        check_request(request)
        return who

    async def _refuse(
        self, context: Any, method: str, error: Exception, call: metrics.RpcSpan
    ) -> NoReturn:
        refusal = self._refusal(method, error)
        call.record_refusal(refusal.code.name, refusal.reason)
        log.info("rpc_refused", method=method, code=refusal.code.name, reason=refusal.reason)
        await context.abort_with_status(rpc_status.to_status(status.to_trailers(refusal)))
        raise AssertionError("abort raises")

    def _refusal(self, method: str, error: Exception) -> errors.RotaError:
        if isinstance(error, errors.RotaError):
            return error
        if isinstance(error, NotImplementedError):  # what a generated servicer raises
            return errors.NotServed(method)
        if isinstance(error, TimeoutError):
            return errors.TimedOut(
                "the call took too long",
                metadata={"timeout_seconds": str(int(UNARY_LIMIT_SECONDS))},
            )
        if (known := self.translate(error)) is not None:
            return known
        error_id = str(resources.new_id())
        log.error("rpc_failed", method=method, error_id=error_id, exc_info=error)
        return errors.Internal(error_id)


def _headers(details: grpc.HandlerCallDetails) -> Headers:
    return tuple(details.invocation_metadata or ())


def _same_bytes(frame: Message | bytes) -> bytes:
    """Returns the same bytes for a frame on every replica: as stored, or with sorted maps."""
    return frame if isinstance(frame, bytes) else frame.SerializeToString(deterministic=True)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
