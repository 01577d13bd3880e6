"""A workspace beside the fuzzed ones, whose calls are answered as before all along."""

from datetime import timedelta
from typing import Any

from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from tests.contract.stage import Stage
from tests.support.system.live import Live


class Canary:
    """Makes a thread and an automation; `look` compares, `fire` waits for a run."""

    def __init__(self, live: Live) -> None:
        self._stage = Stage(live.tenant("canary"))
        self._automation = self._stage.new_automation()
        self._thread = self._stage.new_thread(display_name="Canary")
        self._first = self._answers()

    def look(self) -> None:
        """Raises AssertionError for an answer that is not the first one."""
        assert self._answers() == self._first

    def fire(self) -> None:
        """Has an automation fire and succeed; the clock goes on by a minute."""
        stage = self._stage
        run = stage.fired(stage.new_automation(soon=True))
        assert run.state == ap.Run.SUCCEEDED, run

    def _answers(self) -> list[Any]:
        stage = self._stage
        thread = stage.call("ChatService/GetThread", cp.GetThreadRequest(name=self._thread.name))
        known = stage.call(
            "AutomationService/GetAutomation", ap.GetAutomationRequest(name=self._automation.name)
        )
        tried = stage.call("AutomationService/CreateAutomation", stage.creating(validate_only=True))
        frames = stage.said("hello")
        said = "".join(frame.text_delta.text for frame in frames)
        fire_time = tried.triggers[0].next_fire_time.ToDatetime() + timedelta()
        return [
            thread,
            known.definition,
            known.etag,
            fire_time,
            said,
            frames[-1].WhichOneof("event"),
        ]
