"""Calls about automations, slots and runs, with short names and retries."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rota_client.calls import Calls, new_id
from rota_client.errors import NotFound
from rota_client.gen.google.protobuf import Struct
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.names import complete_name, resource_id, run_name, slot_name, trigger_name
from rota_client.pager import MAX_PAGE, Pager
from rota_client.streams import StreamPosition, follow

# What the service takes as an id, or - for all.
_ID: Final = re.compile(r"[a-z0-9-]{1,63}")
# Half a character: what is no UTF-8 on the command line. Nothing is called so.
_HALF: Final = re.compile(r"[\ud800-\udfff]")
_QUEUE: Final = automation_v1.BackfillSlotsRequestOverlap.QUEUE
_GOING_ON: Final = (automation_v1.RunState.PENDING, automation_v1.RunState.RUNNING)


class Automations:
    """The methods of RotaClient that call automation_service."""

    address: str
    workspace: str
    automations: automation_v1.AutomationServiceStub
    _calls: Calls

    async def get_automation(self, name: str) -> automation_v1.Automation:
        name = complete_name(self.workspace, "automations", name)
        request = automation_v1.GetAutomationRequest(name=name)
        return await self._calls.unary(self.automations.get_automation, request)

    async def find_automation(self, given: str) -> str:
        """Returns the whole name of an automation, by its id, its name or its display name.

        NotFound when none or several have the display name; ids are tried first.
        """
        if "/" in given or _ID.fullmatch(given) or _HALF.search(given):
            return complete_name(self.workspace, "automations", given)
        called = [
            one.name
            async for one in self.list_automations()
            if one.display_name.casefold() == given.casefold()
        ]
        if len(called) == 1:
            return called[0]
        if not called:
            raise NotFound(f"no automation is called {given!r}, and it is no id")
        raise NotFound(
            f"{len(called)} automations are called {given!r}: give one of the ids "
            + ", ".join(map(resource_id, called))
        )

    def list_automations(
        self, *, filter_: str = "", page_token: str = ""
    ) -> Pager[automation_v1.Automation]:
        """A filter of this and the other lists is one of AIP-160, such as `state = PAUSED`."""
        return self._calls.pager(
            self.automations.list_automations,
            automation_v1.ListAutomationsRequest(parent=self.workspace, filter=filter_),
            lambda page: page.automations,
            page_token,
        )

    async def get_run(self, name: str) -> automation_v1.Run:
        """Returns a run, found as `find_run` does."""
        request = automation_v1.GetRunRequest(name=await self.find_run(name))
        return await self._calls.unary(self.automations.get_run, request)

    async def find_run(self, run: str) -> str:
        """Returns the whole name of a run. A bare id is searched among the recent runs of all
        automations; NotFound if none of them has it."""
        if "/" in run:
            return run_name(self.workspace, run)
        recent = await self.list_runs().take(MAX_PAGE)
        found = (one.name for one in recent.items if resource_id(one.name) == run)
        if name := next(found, ""):
            return name
        raise NotFound(
            f"none of the last {MAX_PAGE} runs is {run!r}: give an older one as AUTOMATION/RUN"
        )

    def list_runs(
        self, of: str = "-", *, filter_: str = "", page_token: str = ""
    ) -> Pager[automation_v1.Run]:
        """Lists the runs of one automation, or of all."""
        parent = complete_name(self.workspace, "automations", of)
        return self._calls.pager(
            self.automations.list_runs,
            automation_v1.ListRunsRequest(parent=parent, filter=filter_),
            lambda page: page.runs,
            page_token,
        )

    def list_slots(
        self, of: str, *, filter_: str = "", page_token: str = ""
    ) -> Pager[automation_v1.Slot]:
        parent = complete_name(self.workspace, "automations", of)
        return self._calls.pager(
            self.automations.list_slots,
            automation_v1.ListSlotsRequest(parent=parent, filter=filter_),
            lambda page: page.slots,
            page_token,
        )

    async def preview_schedule(
        self, schedule: str | Mapping[str, Any], time_zone: str, *, count: int = 10
    ) -> automation_v1.PreviewScheduleResponse:
        """A schedule is a cron expression, or a config such as `{"at": "2027-03-01T09:00"}`."""
        form = {"cron": schedule} if isinstance(schedule, str) else schedule
        config = Struct.from_dict({**form, "timezone": time_zone})
        request = automation_v1.PreviewScheduleRequest(
            parent=self.workspace, config=config, count=count
        )
        return await self._calls.unary(self.automations.preview_schedule, request)

    async def explain_slot(self, trigger: str, time: datetime) -> automation_v1.ExplainSlotResponse:
        """Explains a moment of a trigger, which is `{automation}/{trigger}` or a longer name."""
        name = trigger_name(self.workspace, trigger)
        request = automation_v1.ExplainSlotRequest(trigger=name, time=time)
        return await self._calls.unary(self.automations.explain_slot, request)

    async def backfill_slots(
        self,
        of: str,
        slots: Sequence[str] = (),
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        trigger: str = "",
        overlap: automation_v1.BackfillSlotsRequestOverlap = _QUEUE,
        validate_only: bool = False,
    ) -> automation_v1.BackfillSlotsResponse:
        """Runs slots of an automation that have no run: named ones, or those of a range.

        `trigger` is the id of one of its triggers. With `validate_only` it runs none.
        """
        name = self._automation(of)
        request = automation_v1.BackfillSlotsRequest(
            parent=name,
            slots=[slot_name(self.workspace, slot) for slot in slots],
            start_time=start,
            end_time=end,
            trigger=f"{name}/triggers/{trigger}" if trigger else "",
            overlap=overlap,
            request_id=new_id(),
            validate_only=validate_only,
        )
        return await self._calls.unary(self.automations.backfill_slots, request)

    def watch_run(
        self, run: str, *, after_sequence: int = 0
    ) -> AsyncGenerator[automation_v1.RunEvent, None]:
        """Yields the events of a run after `after_sequence`, until the run ends."""
        return follow(
            _Runs(self),
            address=self.address,
            retry_policy=self._calls.retry_policy,
            at=StreamPosition(name=run_name(self.workspace, run), sequence=after_sequence),
        )

    async def cancel_run(self, run: str) -> automation_v1.Run:
        """Cancels a run, found as `find_run` does."""
        request = automation_v1.CancelRunRequest(name=await self.find_run(run), request_id=new_id())
        return await self._calls.unary(self.automations.cancel_run, request)

    async def pause_automation(
        self, name: str, *, note: str = "", resume_time: datetime | None = None
    ) -> automation_v1.Automation:
        """Pauses an automation, until an aware `resume_time` if there is one.

        A pause of a paused one replaces its note and resume_time.
        """
        request = automation_v1.PauseAutomationRequest(
            name=self._automation(name),
            note=note,
            resume_time=resume_time,
            request_id=new_id(),
        )
        return await self._calls.unary(self.automations.pause_automation, request)

    async def skip_next_slot(
        self,
        name: str,
        *,
        trigger: str = "",
        slot_time: datetime | None = None,
        note: str = "",
    ) -> automation_v1.Automation:
        """Skips the next slot of an automation, or of the trigger that has that whole name.

        With `slot_time` no other slot is skipped.
        """
        request = automation_v1.SkipNextSlotRequest(
            name=self._automation(name),
            trigger=trigger,
            slot_time=slot_time,
            note=note,
            request_id=new_id(),
        )
        return await self._calls.unary(self.automations.skip_next_slot, request)

    async def unskip_slot(
        self, name: str, *, trigger: str, slot_time: datetime
    ) -> automation_v1.Automation:
        """Takes back the skip of a slot of the trigger that has that whole name."""
        request = automation_v1.UnskipSlotRequest(
            name=self._automation(name),
            trigger=trigger,
            slot_time=slot_time,
            request_id=new_id(),
        )
        return await self._calls.unary(self.automations.unskip_slot, request)

    async def resume_automation(self, name: str) -> automation_v1.Automation:
        request = automation_v1.ResumeAutomationRequest(
            name=self._automation(name), request_id=new_id()
        )
        return await self._calls.unary(self.automations.resume_automation, request)

    async def archive_automation(self, name: str) -> automation_v1.Automation:
        """Archives permanently: the automation stays readable and never fires again."""
        request = automation_v1.ArchiveAutomationRequest(
            name=self._automation(name), request_id=new_id()
        )
        return await self._calls.unary(self.automations.archive_automation, request)

    async def delete_automation(self, name: str) -> None:
        """Deletes permanently, with triggers, slots, runs and revisions."""
        request = automation_v1.DeleteAutomationRequest(
            name=self._automation(name), request_id=new_id()
        )
        await self._calls.unary(self.automations.delete_automation, request)

    def list_revisions(self, of: str, *, page_token: str = "") -> Pager[automation_v1.Revision]:
        return self._calls.pager(
            self.automations.list_revisions,
            automation_v1.ListRevisionsRequest(parent=self._automation(of)),
            lambda page: page.revisions,
            page_token,
        )

    async def get_revision(self, of: str, revision: int) -> automation_v1.Revision:
        request = automation_v1.GetRevisionRequest(
            name=f"{self._automation(of)}/revisions/{revision}"
        )
        return await self._calls.unary(self.automations.get_revision, request)

    async def rollback_automation(self, name: str, revision: int) -> automation_v1.Automation:
        """Makes the definition of an earlier revision current, as a new revision."""
        request = automation_v1.RollbackAutomationRequest(
            name=self._automation(name), revision=revision, request_id=new_id()
        )
        return await self._calls.unary(self.automations.rollback_automation, request)

    def _automation(self, name: str) -> str:
        return complete_name(self.workspace, "automations", name)


class _Runs:
    def __init__(self, calls: Automations) -> None:
        self._calls = calls

    def watch(self, name: str, after_sequence: int) -> AsyncIterator[automation_v1.RunEvent]:
        request = automation_v1.WatchRunRequest(name=name, after_sequence=after_sequence)
        return self._calls.automations.watch_run(request)

    async def has_ended(self, name: str, sequence: int) -> bool:
        return (await self._calls.get_run(name)).state not in _GOING_ON
