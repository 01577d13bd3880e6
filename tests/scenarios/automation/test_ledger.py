"""The ledger after edits by every door, against a model of it that shares no code with it.

A slot belongs to what was saved when its time came, whatever its jitter: it has one row, and a
run that begins within its jitter and by the end of its schedule.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import grpc
import pytest
from google.protobuf import field_mask_pb2, json_format
from rota.automation.v1 import automation_pb2 as pb

from automation_service.persistence import automations as automation_rows
from automation_service.persistence import triggers as trigger_rows
from shared.clock import ManualClock
from shared.definition.states import RunStatus
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import (
    START,
    Running,
    execute,
    message,
    news,
    running,
    schedule,
)

SEEDS: Final = range(6)
STEPS: Final = 15
HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
ANCHOR: Final = datetime(2026, 11, 20, 0, 10, tzinfo=UTC)
TUESDAY: Final = date(2026, 11, 24)
Form = tuple[dict[str, Any], Callable[[datetime], bool]]


def cron(minutes: str) -> Form:
    """Minutes of each hour."""
    named = set(map(int, minutes.split(",")))
    return {"cron": f"{minutes} * * * *"}, lambda moment: moment.minute in named


def every(unit: str, count: int, step: timedelta) -> Form:
    form = {"unit": unit, "count": count, "anchor": f"{ANCHOR:%Y-%m-%dT%H:%M}"}
    return {"every": form}, lambda moment: not (moment - ANCHOR) % step


def without_tuesday(form: Form) -> Form:
    config, names = form
    return (
        {**config, "excluded_dates": [str(TUESDAY)]},
        lambda moment: moment.date() != TUESDAY and names(moment),
    )


FORMS: Final[dict[str, Form]] = {
    "hourly": cron("0"),
    "thrice": cron("0,20,40"),
    "close": cron("7,8,9"),
    "half past": cron("30"),
    "25 minutes": every("minutes", 25, timedelta(minutes=25)),
    "7 hours": every("hours", 7, timedelta(hours=7)),
    "daily": every("days", 1, timedelta(days=1)),
    "not on Tuesday": without_tuesday(cron("15,45")),
    "25 minutes, not on Tuesday": without_tuesday(every("minutes", 25, timedelta(minutes=25))),
}
# Each has a slot in any hour, and so one before its end.
OFTEN: Final = ("hourly", "thrice", "close", "half past", "25 minutes")
EARLY: Final = "It fired at once, because the automation changed before the end of its jitter"
CATCH_UP: Final = 10 * MINUTE  # the default
# What a backfill is after which its slot is not run again.
STANDING: Final = (pb.Run.PENDING, pb.Run.RUNNING, pb.Run.SUCCEEDED)
JITTERS: Final = (0, 90, 1_500, 3_600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a trigger says, from one edit to the next."""

    form: str
    jitter: int
    end: datetime | None = None
    at: datetime | None = None  # in place of the form
    enabled: bool = True

    @property
    def last(self) -> datetime | None:
        """The moment after which it names nothing."""
        return self.at or self.end

    def spec(self, trigger_id: str) -> dict[str, Any]:
        limit = {"end_time": self.end.isoformat()} if self.end else {}
        form = {"at": f"{self.at:%Y-%m-%dT%H:%M}"} if self.at else {**FORMS[self.form][0], **limit}
        config = {"timezone": "UTC", "jitter_seconds": self.jitter, **form}
        spec = {**schedule(), "config": config}
        return {**spec, "trigger_id": trigger_id, "enabled": self.enabled}

    def names(self, moment: datetime) -> bool:
        if self.at is not None:
            return self.enabled and moment == self.at
        ended = self.end is not None and moment > self.end
        return self.enabled and FORMS[self.form][1](moment) and not ended


@dataclass(slots=True, kw_only=True)
class Model:
    """Which slots there are, and what becomes of each. Times only grow."""

    now: datetime
    schedules: dict[str, Schedule] = field(default_factory=dict)
    state: str = "FIRED"  # what becomes of a slot
    resume: datetime | None = None  # when a pause ends by itself
    resumed: str = "FIRED"  # what becomes of a slot from then on
    skips: set[tuple[str, datetime]] = field(default_factory=set)
    ledger: dict[tuple[str, datetime], tuple[str, Schedule]] = field(default_factory=dict)
    gone: set[tuple[str, datetime]] = field(default_factory=set)  # slots of deleted triggers
    backfilled: set[tuple[str, datetime]] = field(default_factory=set)
    # Of these, those that nobody has begun, with when they were asked for.
    waiting: dict[tuple[str, datetime], datetime] = field(default_factory=dict)

    def put(self, schedules: dict[str, Schedule]) -> None:
        """What the triggers say from now on; one that is left out is deleted."""
        self.gone |= {key for key in self.ledger if key[0] not in schedules}
        self.schedules = schedules

    def can_backfill(self, key: tuple[str, datetime]) -> bool:
        ran = self.ledger[key][0] == "FIRED"
        return not (ran or key in self.gone or key in self.backfilled)

    def go(self, until: datetime) -> None:
        moment = self.now.replace(second=0, microsecond=0) + MINUTE
        while moment <= until:
            self._resume(moment)
            for trigger_id, said in self.schedules.items():
                if said.names(moment) and self.state:
                    skipped = (trigger_id, moment) in self.skips
                    state = "SKIPPED_REQUESTED" if skipped else self.state
                    self.ledger[trigger_id, moment] = (state, said)
            moment += MINUTE
        self._resume(until)
        self.now = until

    def find_next(self) -> tuple[str, datetime] | None:
        """The slot that a skip of the next one skips; None when none comes in a day."""
        moment = self.now.replace(second=0, microsecond=0) + MINUTE
        if self.resume is not None:
            while moment < self.resume:
                moment += MINUTE
        last = moment + 24 * HOUR
        while moment < last:
            for trigger_id, said in self.schedules.items():
                if said.names(moment) and (trigger_id, moment) not in self.skips:
                    return trigger_id, moment
            moment += MINUTE
        return None

    def _resume(self, moment: datetime) -> None:
        if self.resume is not None and moment >= self.resume:
            self.state, self.resume = self.resumed, None
            self.drop_waiting(moment - CATCH_UP)

    def drop_waiting(self, asked_before: datetime) -> None:
        """Backfills that wait are cancelled; their slots may be run again."""
        for key, asked in list(self.waiting.items()):
            if asked < asked_before:
                del self.waiting[key]
                self.backfilled.remove(key)


@dataclass(slots=True, kw_only=True)
class Walk:
    """Edits of one automation, at random moments and by random doors."""

    rota: Running
    clock: ManualClock
    random: random.Random
    model: Model
    name: str = ""
    paused: bool = False
    saved: list[dict[str, Schedule]] = field(default_factory=list)  # by revision
    early: int = 0  # slots that an edit fired inside their jitter
    skipped: int = 0
    asked: int = 0  # calls for backfills

    async def begin(self) -> None:
        self.model.schedules = {"t": self._schedule()}
        self.name = (await self.rota.create(self._definition(self.model.schedules))).name
        self._note()

    async def advance(self, until: datetime) -> None:
        """Fires each slot when it is due, as a scheduler without a late tick does."""
        scheduler = self.rota.service.scheduler
        while True:
            async with scheduler.db.connect() as connection:
                due = await trigger_rows.find_next_due(connection)
                resume = await automation_rows.find_next_resume(connection)
            if resume is not None and resume <= until and (due is None or resume <= due):
                self.clock.set(max(resume, self.clock.now()))
                if (
                    self.random.random() < 0.8 or due is None or due > self.clock.now()
                ):  # else another tick is first
                    await scheduler.resume_due(self.clock.now())
                else:
                    await scheduler.fire_due(self.clock.now())
                    await scheduler.resume_due(self.clock.now())
                continue
            if due is None or due > until:
                break
            self.clock.set(max(due, self.clock.now()))
            await scheduler.fire_due(self.clock.now())
        self.clock.set(until)
        resumes = self.model.resume is not None
        self.model.go(until)
        if resumes and self.model.resume is None:
            self.paused = False

    async def step(self) -> None:
        gap = self.random.choice(
            [
                timedelta(seconds=self.random.randint(1, 120)),
                timedelta(seconds=self.random.randint(1, 3_600)),
                HOUR - timedelta(minutes=self.clock.now().minute, seconds=self.clock.now().second),
                3 * HOUR,
            ]
        )
        await self.advance(self.clock.now() + gap)
        doors = [
            self.update_automation,
            self.update_trigger,
            self.switch,
            self.add_or_delete_trigger,
            self.pause_or_resume,
            self.pause_until,
            self.skip_or_unskip,
            self.skip_or_unskip,
            self.roll_back,
            self.rename,
            self.change_nothing,
            self.reactivate,
            self.outdate,
            self.only_validate,
            self.be_refused,
            self.backfill,
            self.backfill,
        ]
        await self.random.choice(doors)()

    async def update_automation(self) -> None:
        new = {trigger_id: self._schedule() for trigger_id in self.model.schedules}
        await self._save(new, self._definition(new))

    async def update_trigger(self) -> None:
        trigger_id = self.random.choice(list(self.model.schedules))
        await self._update_trigger(trigger_id, self._schedule(), "config", "enabled")

    async def switch(self) -> None:
        trigger_id = self.random.choice(list(self.model.schedules))
        said = self.model.schedules[trigger_id]
        turned = replace(said, enabled=not said.enabled)
        if turned.last is None or turned.last > self.clock.now() + HOUR:
            await self._update_trigger(trigger_id, turned, "enabled")

    async def add_or_delete_trigger(self) -> None:
        trigger = f"{self.name}/triggers/u"
        if "u" in self.model.schedules:
            await self._call("DeleteTrigger", pb.DeleteTriggerRequest(name=trigger))
            self.model.put({"t": self.model.schedules["t"]})
            # Those of a slot that has come are spent by the deletion, which decides it.
            self.model.skips = {s for s in self.model.skips if s[0] != "u"}
        else:
            said = self._schedule()
            request = pb.CreateTriggerRequest(
                parent=self.name, trigger_id="u", trigger=_trigger(said.spec("u"))
            )
            await self._call("CreateTrigger", request)
            self.model.schedules = {**self.model.schedules, "u": said}
        self._note()

    async def pause_or_resume(self) -> None:
        if self.paused:
            await self._call("ResumeAutomation", pb.ResumeAutomationRequest(name=self.name))
            self.model.drop_waiting(self.clock.now() - CATCH_UP)
        else:
            await self._call("PauseAutomation", pb.PauseAutomationRequest(name=self.name))
        self.paused = not self.paused
        self.model.state = "SKIPPED_PAUSED" if self.paused else "FIRED"
        self.model.resume = None

    async def pause_until(self) -> None:
        """Also in a pause, whose moment it replaces."""
        span = self.random.choice(
            [timedelta(seconds=self.random.randint(1, 9_000)), 20 * MINUTE, HOUR]
        )
        moment = self.clock.now() + span
        if self.random.random() < 0.5:
            moment = moment.replace(second=0, microsecond=0) + MINUTE
        request = pb.PauseAutomationRequest(name=self.name)
        request.resume_time.FromDatetime(moment)
        await self._call("PauseAutomation", request)
        self.paused, self.model.state, self.model.resume = True, "SKIPPED_PAUSED", moment

    async def skip_or_unskip(self) -> None:
        coming = sorted((m, t) for t, m in self.model.skips if m > self.clock.now())
        held = [(m, t) for m, t in coming if t in self.model.schedules]
        if held and self.random.random() < 0.4:
            moment, trigger_id = self.random.choice(held)
            trigger = f"{self.name}/triggers/{trigger_id}"
            unskip = pb.UnskipSlotRequest(name=self.name, trigger=trigger)
            unskip.slot_time.FromDatetime(moment)
            await self._call("UnskipSlot", unskip)
            self.model.skips.remove((trigger_id, moment))
            return
        if self.paused and self.model.resume is None:
            return
        if (found := self.model.find_next()) is None:
            return
        request = pb.SkipNextSlotRequest(name=self.name)
        request.slot_time.FromDatetime(found[1])
        await self._call("SkipNextSlot", request)
        self.model.skips.add(found)
        self.skipped += 1

    async def archive(self) -> None:
        await self._call("ArchiveAutomation", pb.ArchiveAutomationRequest(name=self.name))
        self.model.state, self.model.resume = "", None
        self.model.drop_waiting(self.clock.now() + HOUR)

    async def roll_back(self) -> None:
        number = self.random.randint(1, len(self.saved))
        old = self.saved[number - 1]
        if any(s.last and s.last < self.clock.now() + HOUR for s in old.values()):
            return
        request = pb.RollbackAutomationRequest(name=self.name, revision=number)
        if old != self.saved[-1]:
            await self._call("RollbackAutomation", request)
            self.model.put(dict(old))
            self._note()

    async def rename(self) -> None:
        said = pb.Automation(name=self.name, description=f"{self.random.random()}")
        mask = field_mask_pb2.FieldMask(paths=["description"])
        request = pb.UpdateAutomationRequest(automation=said, update_mask=mask)
        await self._decide_nothing("UpdateAutomation", request)

    async def change_nothing(self) -> None:
        said = message(self._definition(self.model.schedules))
        said.name = self.name
        mask = field_mask_pb2.FieldMask(paths=["definition"])
        request = pb.UpdateAutomationRequest(automation=said, update_mask=mask)
        await self._decide_nothing("UpdateAutomation", request)
        same = pb.RollbackAutomationRequest(name=self.name, revision=len(self.saved))
        await self._decide_nothing("RollbackAutomation", same)

    async def reactivate(self) -> None:
        """The service disables the triggers, and a save an hour later enables them."""
        await execute(
            self.rota.url,
            "update automation_triggers set enabled = false, next_fire_time = null,"
            " disabled_reason = 'Odd.' where enabled",
        )
        if not self.paused:
            self.model.state = "MISSED"
            decided = {(_id(s.trigger), _time(s.slot_time)) for s in await self._slots()}
            for key in self.model.ledger.keys() - decided:
                if self.model.ledger[key][0] == "FIRED":
                    self.model.ledger[key] = ("MISSED", self.model.ledger[key][1])
        self.model.resumed = "MISSED"
        await self.advance(self.clock.now() + HOUR)
        await self.update_automation()
        self.model.state = "SKIPPED_PAUSED" if self.paused else "FIRED"
        self.model.resumed = "FIRED"

    async def outdate(self) -> None:
        await execute(self.rota.url, "update automation_triggers set tzdata_version = '1999a'")
        await self.rota.service.scheduler.refresh()

    async def only_validate(self) -> None:
        said = message(self._definition({t: self._schedule() for t in self.model.schedules}))
        said.name = self.name
        request = pb.UpdateAutomationRequest(automation=said, validate_only=True)
        await self._call("UpdateAutomation", request)

    async def be_refused(self) -> None:
        said = message(self._definition({t: self._schedule() for t in self.model.schedules}))
        said.name, said.etag = self.name, "stale"
        with pytest.raises(grpc.RpcError):
            await self._call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))

    async def backfill(self) -> None:
        """Some slots, named or in a range; those that can't be run are told by the model."""
        found = {(_id(s.trigger), _time(s.slot_time)): s for s in await self._slots()}
        chosen = self.random.sample(sorted(found), min(len(found), self.random.randint(1, 4)))
        if not chosen:
            return
        self.asked += 1
        request = pb.BackfillSlotsRequest(parent=self.name)
        if named := self.random.random() < 0.7:
            request.slots.extend(found[key].name for key in chosen)
        else:
            first, last = min(chosen, key=_moment), max(chosen, key=_moment)
            request.start_time.FromDatetime(first[1])
            request.end_time.FromDatetime(last[1] + MINUTE)
            chosen = [key for key in found if first[1] <= key[1] <= last[1]]
        possible = {key for key in chosen if self.model.can_backfill(key)}
        counters = await self._counters()
        if self.paused or (named and possible != set(chosen)):
            with pytest.raises(grpc.RpcError):
                await self._call("BackfillSlots", request)
        else:
            answer = await self._call("BackfillSlots", request)
            assert {(_id(s.trigger), _time(s.slot_time)) for s in answer.slots} == possible
            left = sum(one.count for one in answer.left_out)
            assert left == (0 if named else len(chosen) - len(possible))
            self.model.backfilled |= possible
            for slot in answer.slots:
                await self._end(slot)
        assert await self._counters() == counters

    async def _end(self, slot: Any) -> None:
        """A worker takes the run and ends it as it likes, or dies with it, for good or not."""
        end = self.random.choice(["succeeded", "failed", "timed_out", "dies", "waits"])
        key = _id(slot.trigger), _time(slot.slot_time)
        worker = self.rota.service.worker.writer
        claim = None if end == "waits" else await worker.claim(UUID(_id(slot.backfill.run)))
        if claim is None:  # perhaps one before it waits or goes on
            self.model.waiting[key] = self.clock.now()
            return
        assert claim.backfill
        if end != "dies":
            await worker.log(claim).end(RunStatus(end), None)
        if end in ("failed", "timed_out"):
            self.model.backfilled.remove(key)

    async def _counters(self) -> list[Any]:
        """What is counted of the automation and its triggers, and its etag."""
        return [
            tuple(row)
            for row in await execute(
                self.rota.url,
                "select t.trigger_id, t.fires, t.last_fire_time, t.last_fired_at, t.decided_until,"
                " t.next_fire_time, a.last_run_status, a.consecutive_failures, a.status, a.version"
                " from automation_triggers t join automations a on a.id = t.automation_id"
                " where a.resource_id = $1 order by 1",
                _id(self.name),
            )
        ]

    async def check(self) -> None:
        slots = await self._slots()
        found = {(_id(s.trigger), _time(s.slot_time)): s for s in slots}
        assert len(found) == len(slots)
        outcomes = {key: pb.Slot.Outcome.Name(slot.outcome) for key, slot in found.items()}
        assert outcomes == {key: outcome for key, (outcome, _) in self.model.ledger.items()}
        backfilled = {key for key, s in found.items() if s.backfill.run_state in STANDING}
        assert backfilled == self.model.backfilled
        assert not any(s.run for s in slots if s.HasField("backfill"))
        for (_, moment), slot in found.items():
            outcome, said = self.model.ledger[_id(slot.trigger), moment]
            latest = moment + timedelta(seconds=said.jitter)
            if outcome == "FIRED":
                decided = _time(slot.decide_time)
                assert moment <= decided <= min(latest, said.end or latest), slot
                assert slot.run
                assert slot.reason == "" or slot.reason.startswith(EARLY)
        self.early = sum(slot.reason != "" for slot in slots if slot.run)

    async def _slots(self) -> list[Any]:
        return await self.rota.slots(self.name)

    def _schedule(self) -> Schedule:
        end = self.clock.now() + timedelta(minutes=self.random.randint(61, 300))
        at = end.replace(second=0) if self.random.random() < 0.15 else None
        form = self.random.choice(list(FORMS))
        return Schedule(
            form=form,
            jitter=self.random.choice(JITTERS),
            end=self.random.choice([None, None, end]) if form in OFTEN and not at else None,
            at=at,
        )

    def _definition(self, schedules: dict[str, Schedule]) -> dict[str, Any]:
        triggers = [said.spec(trigger_id) for trigger_id, said in schedules.items()]
        return news(triggers=triggers, execution={"concurrency": "always"})

    async def _save(self, new: dict[str, Schedule], said: dict[str, Any]) -> None:
        automation = message(said)
        automation.name = self.name
        await self._call("UpdateAutomation", pb.UpdateAutomationRequest(automation=automation))
        self.model.schedules = new
        self._note()

    async def _update_trigger(self, trigger_id: str, said: Schedule, *paths: str) -> None:
        trigger = _trigger(said.spec(trigger_id))
        trigger.name = f"{self.name}/triggers/{trigger_id}"
        mask = field_mask_pb2.FieldMask(paths=paths)
        await self._call(
            "UpdateTrigger", pb.UpdateTriggerRequest(trigger=trigger, update_mask=mask)
        )
        self.model.schedules = {**self.model.schedules, trigger_id: said}
        self._note()

    def _note(self) -> None:
        if not self.saved or self.saved[-1] != self.model.schedules:
            self.saved.append(copy.copy(self.model.schedules))

    async def _decide_nothing(self, rpc: str, request: Any) -> None:
        before = len(await self._slots())
        await self._call(rpc, request)
        # While it is paused a slot that has come is written as skipped, sooner or later.
        assert self.paused or len(await self._slots()) == before

    async def _call(self, rpc: str, request: Any) -> Any:
        return await self.rota.call(rpc, request)


async def test_no_edit_by_any_door_loses_a_slot(url: str, keys: Keys) -> None:
    clock = ManualClock(START)
    early = skipped = asked = made = 0
    async with running(url, keys, clock=clock, roles="api") as rota:
        for seed in SEEDS:
            walk = Walk(
                rota=rota,
                clock=clock,
                random=random.Random(seed),
                model=Model(now=clock.now()),
            )
            await walk.begin()
            for _ in range(STEPS):
                await walk.step()
            await walk.archive()
            await walk.advance(clock.now() + 2 * HOUR)
            await walk.check()
            early += walk.early
            skipped += walk.skipped
            asked += walk.asked
            made += len(walk.model.backfilled)
            await rota.call("DeleteAutomation", pb.DeleteAutomationRequest(name=walk.name))
    assert early > 0
    assert skipped > 0
    assert asked > 0
    assert made > 0


LATE: Final[dict[str, Any]] = {"jitter_seconds": 3_600}
QUIET: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    "a description": {"description": "Another one."},
    "a name": {"display_name": "Another one"},
    "the plan": {"plan": [{"step_id": "s", "action": "agent_task", "config": {"prompt": "x"}}]},
    "metadata": {"metadata": {"tags": ["b"]}},
    "inputs": {"static_inputs": {"topic": "planes", "count": 1}},
    "concurrency": {"execution": {"concurrency": "queue"}},
    "the catch-up window": {"config": {"catchup_window_seconds": 900}},
    "a default that is written out": {"config": {"on_gap": "shift"}},
}
LOUD: Final[dict[str, dict[str, Any]]] = {
    "an excluded date": {"config": {"excluded_dates": ["2027-12-24"]}},
    "cron": {"config": {"cron": "*/2 * * * *"}},
    "the zone": {"config": {"timezone": "Asia/Kathmandu"}},
    "jitter": {"config": {"jitter_seconds": 0}},
    "an end": {"config": {"end_time": "2099-01-01T00:00:00Z"}},
    "fires": {"config": {"max_fires": 100}},
    "a switch": {"enabled": False},
    "its end": {"gone": True},
}


def _edited(changes: dict[str, Any], concurrency: str = "always") -> dict[str, Any]:
    """Two triggers, of which one is changed."""
    changes = dict(changes)
    config = {**LATE, **changes.pop("config", {})}
    spec = {**schedule(**config), "enabled": changes.pop("enabled", True)}
    spec["static_inputs"] = changes.pop("static_inputs", spec["static_inputs"])
    triggers = [{**schedule(**LATE), "trigger_id": "u"}]
    if not changes.pop("gone", False):
        triggers.append(spec)
    texts: dict[str, Any] = {
        name: changes.pop(name) for name in ("display_name", "description") if name in changes
    }
    definition = {"execution": {"concurrency": concurrency}, **changes}
    made: dict[str, Any] = {**news(triggers=triggers, **definition), **texts}
    made["definition"]["name"] = made["display_name"]
    return made


async def test_only_a_change_of_fire_times_decides_slots_and_only_of_its_trigger(
    url: str, keys: Keys
) -> None:
    for changes in [*QUIET, *LOUD]:
        clock = ManualClock(START)
        async with running(url, keys, clock=clock, roles="api") as rota:
            name = (await rota.create(_edited({}))).name
            clock.set(START + 8 * MINUTE)
            said = message(_edited({**QUIET, **LOUD}[changes]))
            said.name = name
            await rota.call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))
            decided = {_id(slot.trigger) for slot in await rota.slots(name)}
            assert decided == (set() if changes in QUIET else {"t"}), changes


async def test_of_slots_that_an_edit_brings_together_the_latest_runs_when_others_are_dropped(
    url: str, keys: Keys
) -> None:
    clock = ManualClock(START)
    async with running(url, keys, clock=clock, roles="api") as rota:
        name = (await rota.create(_edited({}, "drop_if_running"))).name
        clock.set(START + 8 * MINUTE)
        said = message(_edited(LOUD["cron"], "drop_if_running"))
        said.name = name
        await rota.call("UpdateAutomation", pb.UpdateAutomationRequest(automation=said))
        slots = sorted(await rota.slots(name), key=lambda slot: _time(slot.slot_time))
    outcomes = [pb.Slot.Outcome.Name(slot.outcome) for slot in slots]
    assert len(outcomes) == 8
    assert outcomes[-1] == "FIRED"
    # a slot whose jitter ended more than a minute before the edit is late, and so missed
    why = {"SKIPPED_OVERLAP": "only the latest slot runs", "MISSED": "only the latest runs"}
    for slot, outcome in zip(slots[:-1], outcomes[:-1], strict=True):
        assert why[outcome] in slot.reason


def _trigger(spec: dict[str, Any]) -> pb.Trigger:
    return json_format.ParseDict({k: v for k, v in spec.items() if k != "trigger_id"}, pb.Trigger())


def _moment(key: tuple[str, datetime]) -> datetime:
    return key[1]


def _id(trigger: str) -> str:
    return trigger.rpartition("/")[2]


def _time(stamp: Any) -> datetime:
    found: datetime = stamp.ToDatetime(tzinfo=START.tzinfo)
    return found
