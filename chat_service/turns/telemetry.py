"""The telemetry of a segment: its span and its metrics."""

import time
from typing import Final

from opentelemetry.trace import Span

from chat_service.turns.segment import (
    Segment,
    SegmentCancelled,
    SegmentCompleted,
    SegmentFailed,
    SegmentOutcome,
    SegmentSuspended,
)
from shared.telemetry import metrics
from shared.telemetry.metrics import Attributes

SPAN: Final = "chat_request"
HANDED_OVER: Final = "handed_over"  # another replica continues it


class SegmentTelemetry:
    """The span `chat_request` lasts from a segment's start to its end, or to the next model."""

    def __init__(self, segment: Segment) -> None:
        turn = segment.turn
        self._attributes: Attributes = {
            "flow": segment.flow.value,
            "agent_mode": "chat" if turn.task is None else "task",
            "turn": str(turn.id),
            "workspace": turn.workspace_id,
            "recovered": segment.recovered,
        }
        self._flow = segment.flow.value
        self._began = time.perf_counter()
        self._spoke = False
        self._ended = False
        self._span = self._start(turn.model_config_id)
        metrics.add_level("rota.turns.open", 1)

    def record_first_token(self) -> None:
        """Only the first call counts."""
        if not self._spoke:
            self._spoke = True
            metrics.record_seconds("rota.turn.first_token", self._passed(), flow=self._flow)

    def record_fallback(self, config: int) -> None:
        """Another model goes on, in a span of its own."""
        self._span.set_attribute("outcome", "rerouted")
        self._span.end()
        self._span = self._start(config)
        metrics.count("rota.turn.reroutes", flow=self._flow)

    def record_end(self, outcome: SegmentOutcome | None) -> None:
        """None: another replica continues the segment. Only the first call counts."""
        if self._ended:
            return
        self._ended = True
        said, code = outcome_name(outcome), ""
        self._span.set_attribute("outcome", said)
        if isinstance(outcome, SegmentFailed):
            code = outcome.error.code.name
            metrics.record_failure(self._span, code, outcome.error.reason)
        self._span.end()
        metrics.count("rota.turns", flow=self._flow, outcome=said, code=code)
        metrics.record_seconds("rota.turn.duration", self._passed(), flow=self._flow, outcome=said)
        metrics.add_level("rota.turns.open", -1)

    def _start(self, config: int) -> Span:
        return metrics.start_span(SPAN, {**self._attributes, "config": config})

    def _passed(self) -> float:
        return time.perf_counter() - self._began


def outcome_name(outcome: SegmentOutcome | None) -> str:
    match outcome:
        case SegmentCompleted():
            return "completed"
        case SegmentSuspended():
            return "suspended"
        case SegmentFailed():
            return "failed"
        case SegmentCancelled():
            return "cancelled"
    return HANDED_OVER
