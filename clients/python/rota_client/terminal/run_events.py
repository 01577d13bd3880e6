"""Run events → lines of text."""

from rich.text import Text

from rota_client.errors import RotaError
from rota_client.gen.rota.automation.v1 import RunEvent
from rota_client.terminal.formatting import format_moment, sanitize


class RunLines:
    """The events of one run, each as a line."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def format(self, event: RunEvent) -> Text | None:
        """Returns None for an event that a person has no use for, or that says a step's state
        again."""
        said = _describe(event)
        if event.step_updated is not None and event.step_updated.step is not None:
            step = event.step_updated.step.step_id
            was, self._states[step] = self._states.get(step), said
            said = "" if said == was else said
        if not said:
            return None
        return Text(f"{format_moment(event.create_time)}  {sanitize(said)}".lstrip())


def _describe(event: RunEvent) -> str:
    if event.started is not None:
        again = f" again, attempt {event.started.attempt}" if event.started.attempt > 1 else ""
        return f"began{again}"
    if event.step_updated is not None and event.step_updated.step is not None:
        step = event.step_updated.step
        tries = f", try {step.attempts}" if step.attempts > 1 else ""
        why = f": {RotaError.of(step.error).message}" if step.error is not None else ""
        return f"{step.step_id} {step.status.name}{tries}{why}"
    if event.step_progress is not None:
        return f"{event.step_progress.step_id}: {event.step_progress.title}"
    if event.ended is not None:
        why = f": {RotaError.of(event.ended.error).message}" if event.ended.error else ""
        return f"{event.ended.state.name}{why}"
    return ""
