"""Export of spans and metrics by OTLP, and of metrics to Prometheus."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.telemetry import logs

_OTLP: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_INSTANCE: Final = "service.instance.id"
_OFF: Final = frozenset({"1", "true"})

log = logs.logger(__name__)


@contextmanager
def export_telemetry(
    service: str,
    environ: Mapping[str, str],
    *,
    port: int = 0,
    listen: str = "127.0.0.1:0",
    process: int | None = None,
) -> Iterator[None]:
    """Exports until the context ends, and flushes then. Once in a process.

    Spans and metrics go out over OTLP (HTTP) when `OTEL_EXPORTER_OTLP_ENDPOINT`, or the
    variable of that name for TRACES or METRICS, is set. A port serves metrics at `/metrics`
    on the host of `listen`; RuntimeError when it is taken. `process` is the process's number
    in its replica, if the replica has several.
    """
    attributes = {"service.name": environ.get("OTEL_SERVICE_NAME") or service}
    resource = Resource.create({**attributes, _INSTANCE: instance_name(process)})
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() in _OFF
    with ExitStack() as stack:
        if not disabled and _wanted(environ, "TRACES"):
            stack.callback(_spans(resource))
        readers: list[MetricReader] = []
        if not disabled and _wanted(environ, "METRICS"):
            readers.append(_pushed())
        if port:
            readers.append(_scraped(listen.rpartition(":")[0].strip("[]"), port, stack))
        if readers:
            provider = MeterProvider(metric_readers=readers, resource=resource)
            metrics.set_meter_provider(provider)
            stack.callback(provider.shutdown)
        yield


def instance_name(process: int | None) -> str:
    """Returns what tells this process from others of the service: on each host, its number."""
    # what OTEL_RESOURCE_ATTRIBUTES says
    named = str(OTELResourceDetector().detect().attributes.get(_INSTANCE, ""))
    if named and process is None:
        return named
    return f"{named or socket.gethostname()}/{process or 0}"


def _wanted(environ: Mapping[str, str], signal: str) -> bool:
    if environ.get(f"OTEL_{signal}_EXPORTER", "otlp") != "otlp":
        return False
    return bool(environ.get(_OTLP) or environ.get(_OTLP.replace("OTLP_", f"OTLP_{signal}_")))


def _spans(resource: Resource) -> Callable[[], None]:
    # what it brings is only for who exports
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    log.info("spans_exported")
    return provider.shutdown


def _pushed() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    log.info("metrics_exported")
    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _scraped(host: str, port: int, stack: ExitStack) -> MetricReader:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError:
        raise RuntimeError(f"{host}:{port} can't be bound for metrics; is it taken?") from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

    stack.callback(stop)
    log.info("metrics_served", port=port)
    return reader
