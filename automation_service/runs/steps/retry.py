"""Which errors of a step are retried, how often and after which delay."""

from dataclasses import replace
from typing import Final

from shared import errors
from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import PlanStep
from shared.retry import RetryPolicy, exponential, linear

_TRANSIENT: Final = (errors.Code.UNAVAILABLE, errors.Code.DEADLINE_EXCEEDED)
# in the metadata of MODEL_UNAVAILABLE
_REFUSALS: Final = ("account", "request")
_REFUSED: Final = "refused"
# By retry_backoff of the definition, in seconds. The error's own retry_after counts too.
_RETRIES: Final = {
    "exponential": RetryPolicy(interval=exponential(1.0, 60.0), jitter=(0.5, 1.0)),
    "linear": RetryPolicy(interval=linear(5.0)),
    "none": RetryPolicy(interval=linear(0.0)),
}


def build_retry_policy(step: PlanStep, definition: AutomationDefinition) -> RetryPolicy:
    """Builds the policy of a step. Its max_retries replaces the definition's."""
    own = step.max_retries
    policy = _RETRIES[definition.execution.retry_backoff]
    retries = definition.execution.max_retries if own is None else own
    return replace(policy, maximum_attempts=retries + 1)


def is_transient(error: errors.RotaError) -> bool:
    """Returns True when a later attempt may succeed.

    A model's provider that refuses the account or the request refuses the next attempt too.
    """
    if error.reason == "MODEL_UNAVAILABLE" and _REFUSED in map(error.metadata.get, _REFUSALS):
        return False
    if error.code in _TRANSIENT:
        return True
    return error.reason == "MODEL_RATE_LIMITED"
