"""The demo model's HTTP surface."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from devstack.demo import wire
from devstack.demo.controls import Controls, RequestRecord
from devstack.demo.faults import FaultPlan
from devstack.demo.replies import answer
from devstack.demo.request import BadRequest, Request, parse
from devstack.demo.wire import Completion, completion

MODEL = "demo"
Clock = Callable[[], datetime]


class ConnectionCut(Exception):
    """Cuts a stream before its end, as a broken connection does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoModel:
    controls: Controls
    api_key: str | None  # None: any, or none at all
    clock: Clock

    async def models(self, http: HttpRequest) -> Response:
        if refusal := self._unauthorised(http):
            return refusal
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "rota-demo"}
        return JSONResponse({"object": "list", "data": [model]})

    async def chat_completions(self, http: HttpRequest) -> Response:
        if refusal := self._unauthorised(http):
            return refusal
        try:
            request = parse(await http.json())
        except BadRequest as exc:
            return _refuse(400, str(exc), "invalid_request_error", param=exc.param)
        except (ValueError, KeyError, TypeError, AttributeError):
            return _refuse(400, "The body could not be read.", "invalid_request_error")
        seen = self.controls.note(request)
        response = self._refusal(request, seen) or await self._reply(request, seen)
        if response.status_code != 200:
            self.controls.over(seen, "refused", response.status_code)
        return response

    def _unauthorised(self, http: HttpRequest) -> Response | None:
        if self.api_key is None or http.headers.get("authorization") == f"Bearer {self.api_key}":
            return None
        return _refuse(
            401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"
        )

    def _refusal(self, request: Request, seen: RequestRecord) -> Response | None:
        if request.model.split("-")[0] != MODEL:
            told = f"The model `{request.model}` does not exist; there is only `{MODEL}`."
            return _refuse(404, told, "invalid_request_error", "model_not_found")
        if "text" in request.model.split("-") and any(m.images for m in request.messages):
            return _refuse(400, "This model does not read images.", "invalid_request_error")
        order = self.controls.ordered_failure(seen.kind)
        return _fail(request, order.status, order.retry_after) if order else None

    async def _reply(self, request: Request, seen: RequestRecord) -> Response:
        plan = self.controls.faults.plan(request, self.controls.delay)
        if plan.status is not None:
            return _fail(request, plan.status, plan.retry_after)
        reply = completion(request, answer(request, self.clock()), plan)
        if request.stream:
            return StreamingResponse(
                self._stream(reply, plan, seen), media_type="text/event-stream",
                headers={"cache-control": "no-cache", "x-request-id": reply.id},
            )  # fmt: skip
        try:
            await self._wait_as_a_stream_would(reply, plan, seen)
        except asyncio.CancelledError:
            self.controls.over(seen, "abandoned")
            raise
        self.controls.over(seen, "finished")
        return JSONResponse(reply.whole(), headers={"x-request-id": reply.id})

    async def _wait_as_a_stream_would(
        self, reply: Completion, plan: FaultPlan, seen: RequestRecord
    ) -> None:
        await self.controls.pass_gate(seen)
        seen.pieces = len(reply.pieces)
        await self.controls.pass_gate(seen)
        await asyncio.sleep(plan.ttft + plan.delay * len(reply.pieces))

    async def _stream(
        self, reply: Completion, plan: FaultPlan, seen: RequestRecord
    ) -> AsyncIterator[bytes]:
        try:
            await asyncio.sleep(plan.ttft)
            for index, chunk in enumerate(reply.chunks()):
                if index:  # the first chunk carries the role only
                    await self._before_a_piece(plan, seen)
                    if fault := self._fault(plan, seen, reply):
                        yield fault
                        return
                    seen.pieces = index
                yield chunk
            await self.controls.pass_gate(seen)
            if fault := self._fault(plan, seen, reply):
                yield fault
                return
            for chunk in reply.tail():
                yield chunk
            self.controls.over(seen, "finished")
        finally:
            if seen.outcome == "open":
                self.controls.over(seen, "abandoned")

    async def _before_a_piece(self, plan: FaultPlan, seen: RequestRecord) -> None:
        await self.controls.pass_gate(seen)
        if plan.delay:
            await asyncio.sleep(plan.delay)

    def _fault(self, plan: FaultPlan, seen: RequestRecord, reply: Completion) -> bytes:
        """Returns the bytes to send before an early end. Raises ConnectionCut.

        A reply shorter than the fault's place is broken at its end.
        """
        if seen.pieces == _at(plan.drop_after, reply):
            self.controls.over(seen, "broken")
            raise ConnectionCut
        if seen.pieces == _at(plan.err_after, reply):
            self.controls.over(seen, "broken")
            return wire.event(wire.rate_limit_error(reply.request.model))
        return b""

    async def order(self, http: HttpRequest) -> Response:
        """`{"delay": s}`, `{"hold": {"after": n, "kind": k}}`, `{"release": true}`,
        `{"fail": {"times": n, "status": s, "retry_after": s, "kind": k}}`; any of them together."""
        body = await http.json()
        if "delay" in body:
            self.controls.delay = float(body["delay"])
        if hold := body.get("hold"):
            self.controls.hold(**(hold if isinstance(hold, dict) else {}))
        if fail := body.get("fail"):
            self.controls.fail(**(fail if isinstance(fail, dict) else {"times": int(fail)}))
        if body.get("release"):
            self.controls.release()
        return JSONResponse({})

    async def log(self, http: HttpRequest) -> Response:
        return JSONResponse(self.controls.as_json())

    async def reset(self, http: HttpRequest) -> Response:
        self.controls.reset()
        return JSONResponse({})


def build(
    controls: Controls,
    *,
    with_controls: bool,
    api_key: str | None = None,
    clock: Clock = lambda: datetime.now(UTC),
) -> Starlette:
    model = DemoModel(controls=controls, api_key=api_key, clock=clock)
    routes = [
        Route("/v1/chat/completions", model.chat_completions, methods=["POST"]),
        Route("/v1/models", model.models, methods=["GET"]),
    ]
    if with_controls:
        routes += [
            Route("/__control", model.order, methods=["POST"]),
            Route("/__log", model.log, methods=["GET"]),
            Route("/__reset", model.reset, methods=["POST"]),
        ]
    return Starlette(routes=routes)


def _at(pieces: int | None, reply: Completion) -> int | None:
    return None if pieces is None else min(pieces, reply.length)


def _fail(request: Request, status: int, retry_after: float | None) -> Response:
    if status == 429:
        response = JSONResponse(wire.rate_limit_error(request.model), status_code=429)
    else:
        response = _refuse(status, f"The demo model was told to answer {status}.", "server_error")
    if retry_after is not None:
        response.headers["retry-after"] = f"{retry_after:g}"
    return response


def _refuse(
    status: int, message: str, kind: str, code: str | None = None, param: str | None = None
) -> JSONResponse:
    return JSONResponse(wire.error(message, kind, code, param), status_code=status)
