"""Spans and metrics of this process, kept in memory for whoever looks."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Key = tuple[str, frozenset[tuple[str, Any]]]


@cache
def _installed() -> tuple[InMemorySpanExporter, InMemoryMetricReader]:
    # a process can have its providers set once only
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
    return exporter, reader


@dataclass(slots=True)
class Telescope:
    """What has happened since it was made."""

    _before: Counter[Key] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        _installed()[0].clear()
        self._before = _read()

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in _installed()[0].get_finished_spans() if span.name == name]

    def attributes(self, name: str) -> list[Mapping[str, Any]]:
        return [dict(span.attributes or {}) for span in self.spans(name)]

    def count(self, name: str, **attributes: Any) -> float:
        """What a counter grew by, or how often a time was recorded; over other attributes."""
        wanted = attributes.items()
        now = _read()
        now.subtract(self._before)
        return sum(n for (of, has), n in now.items() if of == name and wanted <= set(has))

    def gauge(self, name: str) -> float | None:
        return next((float(n) for (of, _), n in _read().items() if of == name), None)


def _read() -> Counter[Key]:
    found: Counter[Key] = Counter()
    data = _installed()[1].get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    key = metric.name, frozenset((point.attributes or {}).items())
                    match point:
                        case NumberDataPoint(value=value):
                            found[key] += value  # type: ignore[assignment]
                        case HistogramDataPoint(count=count):
                            found[key] += count
    return found
