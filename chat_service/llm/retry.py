"""The retry policies of an agent's calls."""

from dataclasses import dataclass
from typing import Final

from shared import errors
from shared.retry import RetryPolicy, exponential, is_unavailable

_SELF: Final = "chat_service"

MODEL: Final = RetryPolicy(
    interval=exponential(0.5, 20.0),
    maximum_attempts=3,
    maximum_asked_wait=20.0,
    jitter=(0.75, 1.0),
)


def is_passing(error: BaseException) -> bool:
    """Says whether a peer may answer soon. It has tried again itself where it can't reach us."""
    is_ours = isinstance(error, errors.RotaError) and error.metadata.get("peer") == _SELF
    return is_unavailable(error) and not is_ours


PEER: Final = RetryPolicy(
    interval=exponential(0.5, 5.0), maximum_total_wait=60.0, transient=is_passing
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicies:
    """`model` for calls of a model, `peer` for calls of the other service and of MCP servers.

    `model_seconds` is the timeout of one attempt of a model call.
    """

    model: RetryPolicy = MODEL
    peer: RetryPolicy = PEER
    model_seconds: float = 600.0
