"""The stored form of a step's result."""

from dataclasses import replace
from typing import Any

import pytest

from automation_service.runs.steps.results import (
    MAX_OUTPUT_BYTES,
    MAX_RUN_OUTPUT_BYTES,
    OutputSizes,
    StepResult,
    to_storable,
)
from shared import errors
from shared.json.canonical_json import canonical_bytes

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


def test_the_end_of_a_run_is_told_from_a_step_s_own_limit() -> None:
    ended = StepResult(step_id="one", action="agent_task", status="timed_out", attempts=1)
    assert ended.is_ended_by_run
    assert replace(ended, error=ERROR).is_ended_by_run  # that of an attempt before
    assert not replace(ended, error={**ERROR, "reason": "TIMED_OUT"}).is_ended_by_run
    assert not replace(ended, status="running").is_ended_by_run


TEXTS = [
    "",
    "plain",
    "né",
    "\ud83d\ude00",
    "\ud83d",
    "a\ud83db\0",
    '"\\\b\f\n\r\t\x01\x1f\x7f',
    "\u2028",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_measured_as_its_canonical_form_is(text: str) -> None:
    kept = to_storable(text)
    size = len(canonical_bytes(kept))
    room = MAX_OUTPUT_BYTES - size
    assert OutputSizes().check("s", text + "x" * room, []) == kept + "x" * room
    with pytest.raises(errors.OutputTooLarge):
        OutputSizes().check("s", text + "x" * (room + 1), [])


def test_the_outputs_of_a_run_count_together_whoever_stored_them() -> None:
    sizes = OutputSizes()
    results: list[StepResult] = []
    each = {"text": "x" * (MAX_OUTPUT_BYTES - len('{"text":""}'))}
    for number in range(MAX_RUN_OUTPUT_BYTES // MAX_OUTPUT_BYTES):
        kept = sizes.check(f"s{number}", each, results)
        ended = {**BASIC, "step_id": f"s{number}", "status": "succeeded", "output": kept}
        results.append(StepResult.from_json(ended))
    for measured in (sizes, OutputSizes()):
        with pytest.raises(errors.OutputTooLarge):
            measured.check("last", "", results)
