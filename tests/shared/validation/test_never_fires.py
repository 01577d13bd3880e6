"""Whether a trigger has a fire left."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared import errors
from shared.definition.envelope import AutomationCreate, AutomationDefinition
from shared.validation import never_fires
from tests.support.system.automation import news, schedule

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ONCE: dict[str, Any] = {"start_time": "2026-11-23T07:50:00Z", "max_fires": 1}


def of(*triggers: dict[str, Any]) -> AutomationDefinition:
    return AutomationCreate.model_validate(news(triggers=list(triggers))).definition


def form(**config: Any) -> dict[str, Any]:
    return {**schedule(), "config": {"timezone": "Europe/Paris", **config}}


def found(*triggers: dict[str, Any], fired: int = 0) -> list[tuple[str, str]]:
    definition = of(*triggers)
    fires = dict.fromkeys(never_fires.zero_fires(definition), fired)
    return [
        (fault.field, fault.message)
        for fault in never_fires.find_violations(definition, NOW, fires)
    ]


@pytest.mark.parametrize(
    "trigger",
    [
        schedule(),
        schedule("0 9 29 2 *"),
        schedule("2 8 23 11 *", end_time="2026-11-23T09:02:00Z", **ONCE),
        schedule("2 8 23 11 *", end_time="2026-11-23T08:02:00Z"),
        schedule("0 9 * * *", start_time="2999-01-01T00:00:00Z"),
        schedule("30 2 * * *", "Europe/Paris", on_gap="skip"),
        # in the gap of every year, at an hour that is there on all its other days
        schedule("30 2 28 3 *", "Europe/Paris", on_gap="skip"),
        schedule("30 2 28 3 *", "Europe/Paris", end_time="2027-03-29T00:00:00Z"),
        {**schedule(end_time="2020-01-01T00:00:00Z"), "enabled": False},
        form(at="2026-11-23T09:01"),
        form(every={"unit": "weeks", "count": 2, "anchor": "1999-01-01T09:00"}),
        form(every={"unit": "hours", "count": 2, "anchor": "2999-01-01T09:00"}),
        {**form(at="2020-01-01T09:00"), "enabled": False},
    ],
    ids=lambda trigger: str(trigger["config"]),
)
def test_what_will_fire_or_is_disabled_has_no_fault(trigger: dict[str, Any]) -> None:
    assert found(trigger) == []


@pytest.mark.parametrize(
    ("trigger", "field", "why"),
    [
        (
            schedule(end_time="2026-11-23T07:59:59Z"),
            "end_time",
            "is past (it is 2026-11-23T08:00:00Z), so it would never fire",
        ),
        (schedule(end_time="2026-11-23T08:00:00Z"), "end_time", "is past"),
        (
            schedule("58 7 23 11 *", end_time="2026-11-23T08:58:00Z", **ONCE),
            "cron",
            "comes next at 2027-11-23T07:58:00Z, after end_time, 2026-11-23T08:58:00Z, "
            "so it would never fire",
        ),
        (schedule("0 9 29 2 *", end_time="2027-12-31T00:00:00Z"), "cron", "2028-02-29T09:00:00Z"),
        (
            schedule("0 9 1 1 *", start_time="9999-06-01T00:00:00Z"),
            "cron",
            "names no time that is left",
        ),
        (
            schedule("30 2 28 3 *", "Europe/Paris", on_gap="skip", end_time="2027-04-01T00:00Z"),
            "on_gap",
            "every time that is left is skipped: 02:30 does not exist on 2027-03-28",
        ),
        (
            form(at="2026-11-23T09:00"),
            "at",
            "its moment has passed, so it would never fire: it is 2026-11-23T09:00 in "
            "Europe/Paris; "
            "in ten minutes instead is '2026-11-23T09:11'",
        ),
        (form(at="2027-03-28T02:30", on_gap="skip"), "on_gap", "02:30 does not exist"),
        (
            form(cron="30 2 * 3 0L", on_gap="skip"),
            "on_gap",
            "every time that is left is skipped: 02:30 does not exist on 2027-03-28",
        ),
        (
            schedule("* 2 * 3 0#2", "America/New_York", on_gap="skip"),
            "on_gap",
            "every time that is left is skipped: 02:00 does not exist on 2027-03-14",
        ),
        (
            form(
                every={"unit": "days", "count": 2, "anchor": "2027-06-01T09:00"},
                end_time="2027-05-01T00:00:00Z",
            ),
            "every",
            "comes next at 2027-06-01T07:00:00Z, after end_time",
        ),
    ],
    ids=lambda value: str(value.get("config")) if isinstance(value, dict) else "",
)
def test_what_would_never_fire_is_told_at_its_field(
    trigger: dict[str, Any], field: str, why: str
) -> None:
    ((path, message),) = found(schedule(), trigger)
    assert path == f"definition.triggers[1].config.{field}"
    assert why in message


def test_what_has_fired_as_often_as_it_may_is_told_so() -> None:
    assert found(schedule(max_fires=2), fired=1) == []
    ((path, message),) = found(schedule(max_fires=2), fired=2)
    assert (path, message) == (
        "definition.triggers[0].config.max_fires",
        "it has fired 2 times already, so it would never fire again",
    )


@pytest.mark.parametrize(
    ("now", "proposed"),
    [
        ("2026-11-23T08:00:00.5", "in ten minutes instead is '2026-11-23T09:11'"),
        ("2027-03-28T00:55:00", "in ten minutes instead is '2027-03-28T03:06'"),
        # both 02:06 and 02:55 come twice, and the first time is over
        ("2027-10-31T00:55:00", "in two hours instead is '2027-10-31T03:56'"),
    ],
)
def test_what_is_proposed_instead_of_a_moment_that_has_passed_works(
    now: str, proposed: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    (fault,) = never_fires.find_violations(of(form(at="2026-11-01T09:00")), moment, {"t": 0})
    assert proposed in fault.message
    later = of(form(at=proposed.split("'")[1]))
    assert not list(never_fires.find_violations(later, moment, {"t": 0}))


def test_only_the_triggers_that_are_asked_about_are_looked_at() -> None:
    ended = schedule(end_time="2020-01-01T00:00:00Z")
    definition = of(ended, {**ended, "trigger_id": "u"})
    (fault,) = never_fires.find_violations(definition, NOW, {"u": 0})
    assert fault.field == "definition.triggers[1].config.end_time"


def test_a_refusal_names_each_field_under_the_one_that_holds_it() -> None:
    ended = schedule(end_time="2020-01-01T00:00:00Z")
    with pytest.raises(errors.InvalidRequest) as refused:
        never_fires.require(of(ended), NOW, {"t": 0}, field="automation")
    (violation,) = refused.value.violations
    assert violation.field == "automation.definition.triggers[0].config.end_time"
    assert violation.reason == "NEVER_FIRES"
