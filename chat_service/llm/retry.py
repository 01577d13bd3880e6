"""The retry policies of an agent's calls."""

from dataclasses import dataclass
from typing import Final

from shared.retry import RetryPolicy, exponential

MODEL: Final = RetryPolicy(
    interval=exponential(0.5, 20.0),
    maximum_attempts=3,
    maximum_asked_wait=20.0,
    jitter=(0.75, 1.0),
)
PEER: Final = RetryPolicy(interval=exponential(0.5, 5.0), maximum_total_wait=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicies:
    """`model` for calls of a model, `peer` for calls of the other service and of MCP servers.

    `model_seconds` is the timeout of one attempt of a model call.
    """

    model: RetryPolicy = MODEL
    peer: RetryPolicy = PEER
    model_seconds: float = 600.0
