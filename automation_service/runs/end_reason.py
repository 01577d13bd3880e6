"""Why a run ends, as it is stored before its on_failure begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from automation_service.runs.steps import results as step_results
from shared import errors
from shared.definition.states import RunStatus
from shared.json import compact_json


@dataclass(frozen=True, slots=True, kw_only=True)
class EndReason:
    """`error` is None for a run that succeeds. `step_id` is empty when no step was in progress."""

    status: RunStatus
    error: errors.RotaError | None = None
    step_id: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            status=RunStatus(value["status"]),
            error=step_results.error_from_json(value["error"]),
            step_id=value["step_id"],
        )

    def to_json(self) -> str:
        return compact_json.dump(
            {"status": self.status.value, "error": self._error(), "step_id": self.step_id}
        )

    def template_error(self) -> dict[str, Any]:
        """The name `error` of the steps of on_failure."""
        return {"step_id": self.step_id, **self._error()}

    def describe(self) -> str:
        """Says in a sentence how the run failed, and where."""
        assert self.error is not None
        where = f" at the step {self.step_id}" if self.step_id else ""
        how = "took too long" if self.status is RunStatus.TIMED_OUT else "failed"
        return f"The run {how}{where}: {self.error.message} ({self.error.reason})."

    def _error(self) -> dict[str, Any]:
        assert self.error is not None
        return step_results.error_to_json(self.error)
