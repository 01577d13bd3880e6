"""Spans and metrics of OpenTelemetry, which go nowhere unless `export` runs.

Attributes are ids, states and names: never the words of a person or a model.
"""

import sys
import time
from asyncio import CancelledError
from collections.abc import Iterable, Mapping
from contextvars import Token
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

from opentelemetry import context as contexts
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

NAME: Final = "rota"
# seconds: from a fast call to a slow run
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

Attributes = Mapping[str, str | int | float | bool]


def count(name: str, by: int = 1, **attributes: str | int | bool) -> None:
    """Adds to a counter, such as `rota.turns`."""
    _counter(name).add(by, attributes)


def add_level(name: str, by: int, **attributes: str | int | bool) -> None:
    """Adds to an up-down counter of this process, such as `rota.turns.open`."""
    _level(name).add(by, attributes)


def set_gauge(name: str, value: float, **attributes: str | int | bool) -> None:
    """Sets a gauge, such as `rota.runs.waiting`."""
    _gauge(name).set(value, attributes)


def record_seconds(name: str, value: float, **attributes: str | int | bool) -> None:
    """Records a duration in a histogram, such as `rota.turn.first_token`."""
    _seconds(name).record(value, attributes)


def start_span(name: str, attributes: Attributes, *, kind: SpanKind = SpanKind.INTERNAL) -> Span:
    """Returns a span that its maker ends: without a parent, but linked to the current span."""
    began_by = trace.get_current_span().get_span_context()
    return _tracer().start_span(
        name,
        context=contexts.Context(),
        kind=kind,
        attributes=attributes,
        links=[Link(began_by)] if began_by.is_valid else None,
    )


@dataclass(slots=True)
class RpcSpan:
    """The span, the code and the duration of a call. Each open stream keeps one."""

    rpc: str
    span: Span
    token: Token[Context]
    began: float
    code: str = "OK"

    def record_refusal(self, code: str, reason: str) -> None:
        self.code = code
        record_failure(self.span, code, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, CancelledError | GeneratorExit):
            self.code = "CANCELLED"
        # A stream that its caller left is closed by another task, in another context.
        if kind is None or not issubclass(kind, GeneratorExit):
            contexts.detach(self.token)
        self.span.end()
        passed = time.perf_counter() - self.began
        record_seconds("rota.rpc.duration", passed, method=self.rpc, code=self.code)


def start_rpc(method: str, metadata: Iterable[tuple[str, str | bytes]]) -> RpcSpan:
    """Starts the span of a call as a child of its caller's. It ends with the context."""
    carried = {key: str(value) for key, value in metadata if key in _CARRIED}
    parent = propagate.extract(carried) if carried else None
    service, _, rpc = method.strip("/").partition("/")
    span = _tracer().start_span(
        method.strip("/"),
        context=parent,
        kind=SpanKind.SERVER,
        attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc},
    )
    token = contexts.attach(trace.set_span_in_context(span, parent))
    return RpcSpan(sys.intern(rpc), span, token, time.perf_counter())


def inject_trace() -> list[tuple[str, str]]:
    """Returns metadata that makes the callee's span part of the current trace."""
    found: dict[str, str] = {}
    propagate.inject(found)
    return list(found.items())


def record_failure(span: Span, code: str, reason: str) -> None:
    span.set_attributes({"code": code, "reason": reason})
    span.set_status(Status(StatusCode.ERROR, reason))


_CARRIED: Final = ("traceparent", "tracestate")


def _tracer() -> trace.Tracer:
    return trace.get_tracer(NAME)


def _meter() -> metrics.Meter:
    return metrics.get_meter(NAME)


@cache
def _counter(name: str) -> metrics.Counter:
    return _meter().create_counter(name)


@cache
def _level(name: str) -> metrics.UpDownCounter:
    return _meter().create_up_down_counter(name)


@cache
def _gauge(name: str) -> Any:
    return _meter().create_gauge(name)


@cache
def _seconds(name: str) -> metrics.Histogram:
    return _meter().create_histogram(
        name, unit="s", explicit_bucket_boundaries_advisory=list(_SECONDS)
    )
