"""Whatever is sent as an automation is saved or refused, and a refusal names its fields."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rota.automation.v1 import automation_pb2 as pb

from automation_service import definitions
from automation_service.api.convert import automations as convert_automations
from automation_service.persistence.slot_dispatch import ActiveRuns, LockedAutomation, SlotRow
from automation_service.scheduling import slot_decision, triggers
from automation_service.scheduling.slot_decision import SlotPolicy
from shared import errors, resources
from shared.definition.envelope import AutomationCreate, TriggerSpec, dump
from shared.definition.states import AutomationStatus, SlotOutcome
from shared.json.canonical_json import canonical_bytes
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.schedule import slots
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot
from shared.validation import violations
from shared.validation.check import check
from tests.support.system.automation import NEWS, news
from tests.support.system.automation import schedule as trigger_of

BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["", "{{", "REPLACE_ME", "schedule", "agent_task", "* * * * *", "\0", "\ud800"]
    ),
)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module", autouse=True)
def registries() -> None:
    register_builtins()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(p for key, item in inner for p in places(item, (*path, key)))]


def found_at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(NEWS)
    found_at(made, path[:-1])[path[-1]] = value
    return made


BROKEN = st.builds(replaced, st.sampled_from(places(NEWS)[1:]), JSON)
ADDED = st.builds(
    lambda path, key, value: replaced((*path, key), value),
    st.sampled_from([p for p in places(NEWS) if isinstance(found_at(NEWS, p), dict)]),
    st.text(min_size=1, max_size=12),
    JSON,
)


def checked(said: Any) -> tuple[AutomationCreate | None, Sequence[errors.FieldViolation]]:
    """What would be saved, or what is wrong with it; anything else fails the test."""
    try:
        violations.refuse(check(said, current_catalogue()), field="automation")
        return AutomationCreate.model_validate(said), ()
    except errors.InvalidRequest as refusal:
        return None, refusal.violations


@BOUNDED
@given(BROKEN | ADDED)
def test_a_definition_is_saved_or_each_fault_has_its_field(said: dict[str, Any]) -> None:
    saved, faults = checked(said)
    assert all(v.field.startswith("automation") and v.description and v.reason for v in faults)
    if saved is None:
        assert faults
    else:
        # What is saved reads back as it is.
        assert dump(AutomationCreate.model_validate(dump(saved))) == dump(saved)


@BOUNDED
@given(BROKEN | ADDED)
def test_a_message_is_read_or_refused(said: dict[str, Any]) -> None:
    message = pb.Automation()
    try:
        json_format.ParseDict(said, message)
    except (json_format.ParseError, TypeError, UnicodeEncodeError, ValueError, SystemError):
        return  # no client can send it
    try:
        read = convert_automations.create_json(message)
    except errors.InvalidRequest as refusal:
        faults: Sequence[errors.FieldViolation] = refusal.violations
    else:
        _, faults = checked(read)
    assert all(v.field.startswith("automation") for v in faults)


ZONES = ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
FIELD = st.sampled_from
CRON = st.builds(
    "{} {} {} {} {}".format,
    FIELD(["0", "30", "*/15", "5,35", "*"]),
    FIELD(["*", "2", "*/3", "1-4", "23"]),
    FIELD(["*", "*", "1", "L"]),
    FIELD(["*", "3,10,11", "1-6"]),
    FIELD(["*", "*", "1-5", "0"]),
)
CONFIG = st.fixed_dictionaries(
    {"cron": CRON, "timezone": st.sampled_from(ZONES)},
    optional={
        "on_gap": st.sampled_from(["shift", "skip"]),
        "on_fold": st.sampled_from(["first", "last", "both"]),
        "jitter_seconds": st.sampled_from([0, 30, 600]),
        "max_fires": st.integers(1, 6),
    },
)
START = st.integers(0, 6 * 366 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@settings(BOUNDED, max_examples=40)
@given(CONFIG, START)
def test_what_is_previewed_is_stored_and_is_what_fires(
    said: dict[str, Any], start: datetime
) -> None:
    """The clock goes from one next_fire_time to the next; only those moments are looked at."""
    config = ScheduleTriggerConfig.model_validate(said)
    more = {key: value for key, value in said.items() if key not in ("cron", "timezone")}
    trigger = trigger_of(said["cron"], said["timezone"], **more)
    owner = _owner(trigger)
    row = triggers.build_trigger(TriggerSpec.model_validate(trigger), start)
    preview = slots.next_slots(config, start, 8)
    plan = definitions.parse(owner.definition)
    decided: list[tuple[SlotRow, datetime]] = []
    for _ in range(40):
        if row.next_fire_time is None or len(decided) >= len(preview):
            break
        now = row.next_fire_time
        outcome = slot_decision.decide_slots(owner, plan, row, ActiveRuns(), SlotPolicy(), now)
        advance = asdict(outcome.trigger)
        assert advance.pop("trigger") == row.id
        assert outcome.decisions or outcome.trigger.decided_until > row.decided_until
        decided += [(d.row, now) for d in outcome.decisions]
        row = replace(row, **advance)
        assert row.next_fire_time is None or row.next_fire_time > now
    _same(said, preview, decided, str(row.id))


def _same(
    said: dict[str, Any],
    preview: list[PlannedSlot],
    decided: list[tuple[SlotRow, datetime]],
    seed: str,
) -> None:
    ran = [slot for slot, _ in decided if slot.outcome is SlotOutcome.FIRED]
    most = said.get("max_fires")
    assert most is None or len(ran) <= most
    # A pass may decide a few more than were previewed.
    told = [(slot.slot_time, slot.fire_time, slot.local_time) for slot, _ in decided]
    expected = [(s.slot_time, s.fire_time, s.local_time[:16]) for s in preview]
    assert told[: len(expected)] == expected[: len(told)]
    assert len(decided) >= len(preview) or len(ran) == most
    skipped = {slot.slot_time for slot in preview if slot.skipped}
    for slot, now in decided[: len(preview)]:
        gone = slot.slot_time in skipped
        assert slot.outcome is (SlotOutcome.SKIPPED_DST if gone else SlotOutcome.FIRED)
        late = slots.jitter(seed, slot.slot_time, said.get("jitter_seconds", 0))
        if not gone:
            # A slot of the same jittered span may bring it with it, never before its own time.
            assert slot.fire_time + late <= now <= slot.fire_time + timedelta(seconds=1200)


def _owner(trigger: dict[str, Any]) -> LockedAutomation:
    said = news(triggers=[trigger], execution={"concurrency": "always"})
    definition = dump(AutomationCreate.model_validate(said).definition)
    return LockedAutomation(
        id=resources.new_id(),
        workspace="w",
        resource_id="a",
        status=AutomationStatus.ACTIVE,
        update_time=datetime.min.replace(tzinfo=UTC),
        definition=canonical_bytes(definition).decode(),
    )
