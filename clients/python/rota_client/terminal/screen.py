"""Prints frames as they arrive: text as it streams, the rest as dim lines."""

import sys

from rich.console import Console, RenderableType
from rich.text import Text

from rota_client import json_format
from rota_client.errors import RotaError
from rota_client.gen.rota.chat.v1 import (
    Step,
    StepState,
    ToolCallFinished,
    ToolCallFinishedOutcome,
    TurnEvent,
)
from rota_client.names import short_name
from rota_client.streams import frame_kind
from rota_client.terminal.formatting import StreamedText, sanitize


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
            self.error(RotaError.of(event.failed.status))
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

    def show(self, what: RenderableType) -> None:
        self._line_end()
        self.out.print(what)

    def error(self, error: RotaError) -> None:
        self._line_end()
        reason = f" ({error.reason})" if error.reason else ""
        lines = [f"  {sanitize(v.field)}: {sanitize(v.description)}" for v in error.violations]
        if error.retry_after is not None:
            lines.append(f"  Try again in {error.retry_after.total_seconds():.0f} s.")
        self.err.print(
            Text(f"Error: {sanitize(error.message)}{reason}", style="red"),
            soft_wrap=True,
        )
        for line in lines:
            self.err.print(Text(line), soft_wrap=True)

    def _text(self, text: str) -> None:
        self.out.out(self._streamed.add(text), end="", highlight=False)
        self._midline = not text.endswith("\n") if text else self._midline

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
        if event.tool_call_started is not None:
            started = event.tool_call_started
            self._tools[started.tool_call_id] = started.tool
            return f"{started.tool} …"
        if event.approval_decided is not None and event.approval_decided.approval is not None:
            return f"approval {event.approval_decided.approval.state.name.lower()}"
        if event.model_rerouted is not None:
            return f"another model goes on: {event.model_rerouted.reason}"
        if event.retrying is not None:
            after = event.retrying.after
            wait = f" in {after.total_seconds():.0f} s" if after else ""
            return f"trying again{wait}: {event.retrying.reason}"
        if event.text_retracted is not None:
            return "the last text no longer holds and is said again"
        return "cancelled" if event.cancelled is not None else ""
