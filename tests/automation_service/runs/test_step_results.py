"""The stored form of a step's result."""

from dataclasses import replace
from typing import Any

import pytest

from automation_service.runs.step_results import StepResult

BASIC: dict[str, Any] = {
    "step_id": "news",
    "action": "agent_task",
    "status": "running",
    "attempts": 1,
    "started_at": "2026-11-23T09:00:00Z",
}
ENDED = {**BASIC, "finished_at": "2026-11-23T09:00:05Z", "session_id": "s"}
ERROR = {"code": 14, "reason": "PEER_UNAVAILABLE", "message": "gone", "metadata": {}}


@pytest.mark.parametrize(
    "stored",
    [
        BASIC,
        {**BASIC, "error": ERROR},
        {**ENDED, "status": "succeeded", "output": {"a": [1]}, "usage": {"cost_micros": 3}},
        {**ENDED, "status": "succeeded", "output": None},
        {**ENDED, "status": "failed", "error": ERROR},
        {**BASIC, "status": "skipped", "attempts": 0, "finished_at": BASIC["started_at"]},
    ],
)
def test_a_stored_result_is_read_and_written_without_a_change(stored: dict[str, Any]) -> None:
    assert StepResult.from_json(stored).to_json() == stored


def test_only_an_attempt_without_an_error_is_interrupted() -> None:
    running = StepResult.from_json(BASIC)
    assert running.is_interrupted
    assert not replace(running, error=ERROR).is_interrupted
    assert not replace(running, status="failed", error=ERROR).is_interrupted
