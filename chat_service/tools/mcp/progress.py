"""The progress of one call of an MCP tool, as a step that people see."""

import asyncio
import math
from typing import Final

from chat_service.llm.text import one_line
from chat_service.runtime.events import StepChanged
from chat_service.tools.idempotency import CurrentCall
from shared.text.invisible_characters import mark_invisible

SHOW_SECONDS: Final = 1.0  # between two changes of a step
MAX_SHOWN: Final = 100  # changes of one call's step, beside its end
MAX_LINE: Final = 200


class ToolProgress:
    """Shows what a server tells of one call, at most once in SHOW_SECONDS; the last is shown.

    Outside of a call that is shown to anybody, nothing happens.
    """

    def __init__(self, call: CurrentCall | None, tool: str) -> None:
        self._call = call
        self._tool = one_line(mark_invisible(tool), MAX_LINE)
        self._line = ""
        self._shown: str | None = None
        self._left = MAX_SHOWN
        self._timer: asyncio.TimerHandle | None = None

    async def report(self, progress: float, total: float | None, message: str | None) -> None:
        """Takes one notice of the server."""
        self._line = _line(progress, total, message) or self._line
        if self._timer is None:
            self._show()

    def end(self) -> None:
        """Ends the step, if there is one."""
        if self._timer is not None:
            self._timer.cancel()
        self._left = 0  # what comes late is not shown
        if self._shown is not None:
            self._emit(done=True)

    def _show(self) -> None:
        self._timer = None
        if self._line in ("", self._shown) or self._left <= 0:
            return
        self._left -= 1
        self._shown = self._line
        self._emit(done=False)
        self._timer = asyncio.get_running_loop().call_later(SHOW_SECONDS, self._show)

    def _emit(self, *, done: bool) -> None:
        if self._call is not None:
            items = (self._line,)
            self._call.emit(
                StepChanged(id=self._call.step, title=self._tool, items=items, done=done)
            )


def _line(progress: float, total: float | None, message: str | None) -> str:
    said = one_line(mark_invisible(message or ""), MAX_LINE)
    return ": ".join(part for part in (_amount(progress, total), said) if part)


def _amount(progress: float, total: float | None) -> str:
    if not math.isfinite(progress):
        return ""
    if total is None or not math.isfinite(total) or total <= 0:
        return f"{progress:.6g}"
    return f"{min(max(progress / total, 0), 1):.0%}"
