"""Logs of the tests' own process: plain text."""

import structlog


def configure_logs() -> None:
    """Without Rich, which would draw the local variables of each logged exception for seconds."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
