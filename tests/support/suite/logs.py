"""Logs of the tests' own process: plain text."""

import structlog

from shared.telemetry import logs


def configure_logs() -> None:
    """As services filter them, but without Rich, which draws local variables for seconds."""
    logs.filter_libraries()
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
