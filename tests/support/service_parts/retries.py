"""Retry policies that wait as a test says."""

from dataclasses import replace

from chat_service.llm.retry import MODEL, PEER, RetryPolicies
from shared.retry import Sleep


def retries(sleep: Sleep) -> RetryPolicies:
    return RetryPolicies(model=replace(MODEL, sleep=sleep), peer=replace(PEER, sleep=sleep))
