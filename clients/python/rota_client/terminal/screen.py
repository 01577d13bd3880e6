"""Prints frames as they arrive: text as it streams, the rest as dim lines."""

import sys
from datetime import timedelta
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

from rota_client import json_format
from rota_client.errors import RotaError, Unauthenticated
from rota_client.gen.rota.chat.v1 import (
    Message,
    RunResult,
    Step,
    StepState,
    ToolCallFinished,
    ToolCallFinishedOutcome,
    TurnEvent,
)
from rota_client.names import short_name
from rota_client.streams import frame_kind
from rota_client.terminal.formatting import StreamedText, format_moment, sanitize
from rota_client.terminal.refusal import format_refusal

_SILENT: Final = "the model did not answer"
_BROKEN: Final = "the answer broke off"
# Characters of a result; `rota run` shows the whole.
_MAX_RESULT: Final = 4_000


def build_console(*, stderr: bool = False) -> Console:
    """Replaces characters that the stream can't encode."""
    stream = sys.stderr if stderr else sys.stdout
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


class Screen:
    def __init__(self) -> None:
        self.out = build_console()
        self.err = build_console(stderr=True)
        self._midline = False
        # whether text was printed that may be retracted, and text of a call that may yet fail
        self._retractable = False
        self._begun = False
        self._streamed = StreamedText()
        self._steps: dict[str, str] = {}
        self._tools: dict[str, str] = {}

    def show_frame(self, event: TurnEvent) -> None:
        """Prints a frame; some kinds print nothing."""
        if event.text_delta is not None:
            self._text(event.text_delta.text)
        elif event.step is not None:
            self._step(event.step)
        elif event.tool_call_finished is not None:
            self._tool(event.tool_call_finished)
        elif event.failed is not None and event.failed.status is not None:
            error = RotaError.of(event.failed.status)
            error.message = self._reason(error.message)
            self.error(error)
        elif note := self._line(event):
            self.note(note)
        if frame_kind(event) in ("completed", "suspended", "failed", "cancelled"):
            self._line_end()

    def note(self, text: str) -> None:
        self._line_end()
        self.out.print(Text(f"· {sanitize(text)}"), style="dim", soft_wrap=True)

    def warn(self, text: str) -> None:
        self._line_end()
        self.err.print(Text(f"· {sanitize(text)}"), style="dim", soft_wrap=True)

    def show_result(self, message: Message, result: RunResult) -> None:
        """Prints a result that a run delivered, as text: nothing of it styles the terminal."""
        name = result.automation_display_name or "an automation"
        about = f": {result.subject}" if result.subject else ""
        self.note(f"result of {name}, {format_moment(message.create_time)}{about}")
        body = result.body[:_MAX_RESULT]
        self.out.print(Text(sanitize(body.rstrip())), soft_wrap=True)
        if len(body) < len(result.body):
            self.note(f"it goes on: rota run {short_name(result.run)}")

    def show(self, what: RenderableType) -> None:
        self._line_end()
        self.out.print(what)

    def error(self, error: RotaError) -> None:
        self._line_end()
        reason = f" ({error.reason})" if error.reason else ""
        first, *lines = format_refusal(error)
        if error.retry_after is not None:
            lines.append(f"Try again{_format_wait(error.retry_after)}.")
        if isinstance(error, Unauthenticated):
            lines.append("Give a token that is valid now with --token or ROTA_TOKEN.")
        self.err.print(Text(f"Error: {sanitize(first)}{reason}", style="red"), soft_wrap=True)
        for line in lines:
            self.err.print(Text(f"  {sanitize(line)}"), soft_wrap=True)

    def _text(self, text: str) -> None:
        self.out.out(self._streamed.add(text), end="", highlight=False)
        self._midline = not text.endswith("\n") if text else self._midline
        if text:
            self._retractable = self._begun = True

    def _line_end(self) -> None:
        if held := self._streamed.end():
            self.out.out(held, end="", highlight=False)
        if self._midline:
            self.out.out("")
        self._midline = False

    def _step(self, step: Step) -> None:
        line = ": ".join([step.title, " ".join(step.items)]) if step.items else step.title
        if step.state != StepState.COMPLETED and self._steps.get(step.id) != line:
            self.note(line)
        self._steps[step.id] = line

    def _tool(self, call: ToolCallFinished) -> None:
        # a turn that is followed from its middle never said which tool it was
        name = self._tools.pop(call.tool_call_id, "")
        ended = "did not work" if call.outcome == ToolCallFinishedOutcome.ERROR else "done"
        status = json_format.struct_to_dict(call.output).get("status")
        ended = status if isinstance(status, str) and status else ended
        self.note(
            f"{name} {ended}".lstrip() + (f": {short_name(call.resource)}" if call.resource else "")
        )

    def _line(self, event: TurnEvent) -> str:
        if event.started is not None:
            self._retractable = self._begun = False
        if event.tool_call_started is not None:
            started = event.tool_call_started
            self._begun = False  # the text before it is whole
            self._tools[started.tool_call_id] = started.tool
            return f"{started.tool} …"
        if event.approval_decided is not None and event.approval_decided.approval is not None:
            return f"approval {event.approval_decided.approval.state.name.lower()}"
        if event.model_rerouted is not None:
            return f"another model continues: {self._reason(event.model_rerouted.reason)}"
        if event.retrying is not None:
            wait = _format_wait(event.retrying.delay)
            return f"trying again{wait}: {self._reason(event.retrying.reason)}"
        if event.text_retracted is not None:
            was, self._retractable = self._retractable, False
            return "the last text is withdrawn and written again" if was else ""
        return "cancelled" if event.cancelled is not None else ""

    def _reason(self, reason: str) -> str:
        """Why a call failed: a model of which text was printed did answer."""
        begun, self._begun = self._begun, False
        return _BROKEN if begun and reason == _SILENT else reason


def _format_wait(wait: timedelta | None) -> str:
    seconds = round(wait.total_seconds()) if wait is not None else 0
    return f" in {seconds} s" if seconds > 0 else ""
