"""Structured logs: one JSON object a line, on standard error."""

import logging
import sys
from typing import cast

import structlog

_FIELDS_WITH_SECRETS = frozenset(
    {"authorization", "token", "password", "api_key", "secret", "dsn", "database_url"}
)


def configure(service: str, *, level: str = "INFO", process: int | None = None) -> None:
    """Sets up logging for the process, libraries included. Call it once, from an entry point.

    `process` is the process's number in its replica, if the replica has several.
    """
    fields: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    rendering: list[structlog.typing.Processor] = [
        # Without local variables: they hold what people wrote, and secrets.
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*fields, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    if process is not None:
        structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*fields, _name_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level="WARNING", handlers=[handler])
    filter_libraries()


def filter_libraries() -> None:
    """Leaves out what libraries log as an error and is none: somebody went away."""
    # The core logs every write to a client that went away as an error.
    logging.getLogger("grpc._cython.cygrpc").addFilter(_not_a_gone_client)
    # The SDK logs what a server sends to a session that is closed as an error.
    logging.getLogger("mcp.client.streamable_http").addFilter(_not_a_closed_session)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(component=name))


def _name_library(
    logger: logging.Logger | None, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["component"] = event["_record"].name
    return event


def _hide_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in _FIELDS_WITH_SECRETS & event.keys():
        event[key] = "(hidden)"
    return event


def _not_a_gone_client(record: logging.LogRecord) -> bool:
    return "ExecuteBatchError" not in record.getMessage()


def _not_a_closed_session(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ not in ("ClosedResourceError", "BrokenResourceError")
