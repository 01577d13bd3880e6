"""The schedule trigger's config."""

from datetime import date, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shared.registries.triggers.schedule import SCHEDULE
from shared.schedule.config import ScheduleTriggerConfig
from shared.validation.violations import from_pydantic

GOOD = {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"}


def _config(**more: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({**GOOD, **more})


def test_defaults() -> None:
    config = _config()
    assert (config.jitter_seconds, config.catchup_window_seconds) == (0, 600)
    assert (config.on_gap, config.on_fold, config.max_fires) == ("shift", None, None)


def test_a_time_zone_is_required() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        ScheduleTriggerConfig.model_validate({"cron": "0 9 * * 1-5"})


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("@daily", "nickname"),
        (" @midnight", "nickname"),
        ("0 9 * *", "exactly five"),
        ("0 0 9 * * 1", "exactly five"),
        ("0 0 9 * * 1 2027", "exactly five"),
        ("R * * * *", "minute"),
        ("R(0-5) 9 * * *", "minute"),
        ("H 9 * * *", "minute"),
        ("0 h(2-4) * * *", "hour"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("60 * * * *", "0 to 59"),
        ("* 24 * * *", "0 to 23"),
        ("* * 0 * *", "1 to 31"),
        ("* * * 13 *", "1 to 12"),
        ("* * * * 8", "0 to 7"),
        ("*/0 * * * *", "step"),
        ("*/60 * * * *", "step"),
        ("5-5/2 * * * *", "one value"),
        ("0 22-2 * * *", "range"),
        ("0 9 0W * *", "1 to 31"),
        ("0 9 L-31 * *", "L-1 to L-30"),
        ("0 9 W * *", "day of month"),
        ("0 9 * * L", "day of week"),
        ("0 9 * * 8L", "0 to 7"),
        ("0 9 * * MUNL", "0 to 7, or SUN, MON, "),
        ("0 9 ? * *", "day of month"),
        ("0 9 */2 * 8#1", "0 to 7|day of week"),
        ("0 9 * * MON#6", "day of week"),
        ("0 9 * * MUN", r"'MUN' is not valid for day of week \(0 to 7, or SUN, MON, "),
        ("0 9 * * MONDAY", "0 to 7, or SUN, MON, "),
        ("0 9 1 JUNE *", "1 to 12, or JAN, FEB, "),
        ("0 9 * * MUN#1", "0 to 7, or SUN, MON, "),
        ("-1 9 * * *", "minute"),
        ("1, 9 * * *", "minute"),
        ("١ 9 * * *", "minute"),
        ("nonsense!", "exactly five"),
    ],
)
def test_a_cron_we_do_not_mean_is_refused_with_a_reason(expression: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _config(cron=expression)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("*/15  *  * * *", "*/15 * * * *"),
        ("0 9 * * mon-fri", "0 9 * * MON-FRI"),
        ("0 9 * jan,jul sat-sun", "0 9 * JAN,JUL SAT-SUN"),
        ("0 9 L * *", "0 9 L * *"),
        ("0 9 l-3,lw,15w * 5L,monl", "0 9 L-3,LW,15W * 5L,MONL"),
        ("0 9 * * 1#1", "0 9 * * 1#1"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 31 2 1", "0 0 31 2 1"),
        ("0 9-17/2 1-7 * 7", "0 9-17/2 1-7 * 7"),
    ],
)
def test_plain_cron_is_accepted(written: str, kept: str) -> None:
    assert _config(cron=written).cron == kept


@pytest.mark.parametrize(
    "zone",
    [
        "Europe",
        "Europe/",
        "/etc/localtime",
        "localtime",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "europe/paris",
        "CEST",
        "+01:00",
        "Mars/Olympus",
        "",
    ],
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        _config(timezone=zone)


EVERY = {"unit": "minutes", "count": 90, "anchor": "2027-03-01T09:00"}
DAILY = {**EVERY, "unit": "days", "count": 2}


@pytest.mark.parametrize(
    ("config", "field", "why"),
    [
        ({}, "cron", "is required, unless at or every is given"),
        ({"cron": "0 9 * * *", "at": "2027-03-01T09:00"}, "at", "give exactly one"),
        ({"at": "2027-03-01T09:00", "every": EVERY}, "every", "give exactly one"),
        ({"at": "2027-03-01"}, "at", "such as 2027-03-01T00:00:00"),
        ({"at": "2027-03-01T08:00:00Z"}, "at", "without an offset, such as 2027-03-01T09:00:00"),
        ({"at": "tomorrow"}, "at", "such as 2027-03-01T09:00"),
        ({"at": "2027-02-29T09:00"}, "at", "no time that the calendar has"),
        ({"at": 1_800_000_000}, "at", "a local time"),
        ({"at": "2027-03-01T09:00", "excluded_dates": ["2027-03-01"]}, "excluded_dates", "once"),
        ({"at": "2027-03-01T09:00", "end_time": "2028-01-01T00:00:00Z"}, "end_time", "once"),
        ({"at": "2027-03-01T09:00", "max_fires": 2}, "max_fires", "once"),
        ({"at": "2027-03-01T09:00", "on_fold": "both"}, "on_fold", "once"),
        ({"at": "2027-03-01T09:00", "day_match": "any"}, "day_match", "day fields of cron"),
        ({"at": "0001-01-01T00:00"}, "at", "0001 to 9999"),
        ({"every": {**EVERY, "anchor": "0001-01-01T00:00"}}, "every.anchor", "0001 to 9999"),
        ({"every": {**EVERY, "count": 0}}, "every.count", "greater than or equal to 1"),
        ({"every": {**EVERY, "count": 1.5}}, "every.count", "integer"),
        ({"every": {**EVERY, "count": 527_041}}, "every.count", "527040"),
        ({"every": {**DAILY, "count": 367}}, "every.count", "at most 366 days"),
        ({"every": {**DAILY, "unit": "months"}}, "every.unit", "'minutes', 'hours'"),
        ({"every": {"unit": "days", "count": 2}}, "every.anchor", "is required"),
        ({"every": {**DAILY, "more": 1}}, "every.more", "is not a known field"),
        ({"every": DAILY, "day_match": "all"}, "day_match", "day fields of cron"),
        ({"every": EVERY, "on_gap": "skip"}, "on_gap", "elapsed time"),
        ({"every": EVERY, "on_fold": "both"}, "on_fold", "elapsed time"),
        ({"every": "5m"}, "every", "must be an object with unit, count and anchor"),
        ({"every": EVERY, "excluded_dates": None}, "excluded_dates", "must be a list of dates"),
        ({"cron": "0 9 * * 5#6"}, "cron", "'5#6' is not valid for day of week: after # is 1 to 5"),
        ({"every": EVERY, "excluded_dates": ["24.12.2027"]}, "excluded_dates[0]", "2027-12-24"),
        ({"every": EVERY, "excluded_dates": ["2027-02-29"]}, "excluded_dates[0]", "no date"),
        ({"cron": "0 9 31 2 MON", "day_match": "all"}, "cron", "day_match 'all' leaves none"),
        ({"cron": "0 9 */10 * 3#4"}, "cron", "with day_match 'any'"),
        ({"cron": "0 9 1 * MON", "day_match": "both"}, "day_match", "'any' or 'all'"),
    ],
)
def test_what_has_no_meaning_in_a_form_is_refused_at_its_field(
    config: dict[str, Any], field: str, why: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        ScheduleTriggerConfig.model_validate({"timezone": "Europe/Paris", **config})
    (fault,) = from_pydantic(refused.value, "", ScheduleTriggerConfig)
    assert fault.field == field
    assert why in fault.message


def test_an_excluded_date_of_a_year_and_a_day_more_is_too_many() -> None:
    first = date(2027, 1, 1)
    days = [(first + timedelta(days=n)).isoformat() for n in range(367)]
    assert len(_config(excluded_dates=days[1:]).excluded) == 366
    with pytest.raises(ValidationError, match="excluded_dates"):
        _config(excluded_dates=days)


@pytest.mark.parametrize(
    "form", [{"at": "2027-03-01T09:00:30"}, {"every": EVERY}, {"every": DAILY}]
)
def test_the_published_schema_takes_what_is_taken(form: dict[str, Any]) -> None:
    config = {"timezone": "Europe/Paris", **form}
    ScheduleTriggerConfig.model_validate(config)
    assert Draft202012Validator(SCHEDULE.config_schema).is_valid(config)
    assert not Draft202012Validator(SCHEDULE.config_schema).is_valid({**GOOD, **form})


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+5", "America/Argentina/Ushuaia", "Asia/Kolkata"])
def test_iana_zones_are_known(zone: str) -> None:
    assert _config(timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "bad",
    [
        {"max_fires": 0},
        {"max_fires": 1.5},
        {"max_fires": "3"},
        {"jitter_seconds": 3_601},
        {"jitter_seconds": -1},
        {"jitter_seconds": True},
        {"catchup_window_seconds": 7 * 24 * 3600 + 1},
        {"on_gap": "SHIFT"},
        {"on_fold": "second"},
        {"start_time": "2027-01-01T00:00:00"},
        {"start_time": 1_800_000_000},
        {"start_time": "2027-01-02T00:00:00Z", "end_time": "2027-01-01T00:00:00Z"},
        {"every": "day"},
    ],
)
def test_bad_values_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _config(**bad)


def test_integral_floats_are_whole_numbers() -> None:
    assert _config(max_fires=3.0, jitter_seconds=60.0).max_fires == 3


def test_the_published_schemas_are_valid_and_state_the_limits() -> None:
    Draft202012Validator.check_schema(SCHEDULE.config_schema)
    Draft202012Validator.check_schema(SCHEDULE.payload_schema)
    jitter = SCHEDULE.config_schema["properties"]["jitter_seconds"]
    assert (jitter["minimum"], jitter["maximum"]) == (0, 3_600)
    assert SCHEDULE.config_schema["required"] == ["timezone"]
    forms = [form["required"] for form in SCHEDULE.config_schema["oneOf"]]
    assert forms == [["cron"], ["at"], ["every"]]


def test_what_the_published_schema_forbids_in_a_form_is_refused() -> None:
    values = {"excluded_dates": ["2027-12-24"], "day_match": "any"}
    times = dict.fromkeys(("start_time", "end_time"), "2027-12-24T00:00:00Z")
    forms: dict[str, Any] = {"at": "2027-03-01T09:00", "every": DAILY, "cron": "0 9 1 * MON"}
    for form in SCHEDULE.config_schema["oneOf"]:
        (name,) = form["required"]
        for option, value in {**values, **times}.items():
            config = {"timezone": "UTC", name: forms[name], option: value}
            is_forbidden = option in form["properties"]
            assert Draft202012Validator(SCHEDULE.config_schema).is_valid(config) != is_forbidden
            if is_forbidden:
                with pytest.raises(ValidationError, match="leave it out"):
                    ScheduleTriggerConfig.model_validate(config)
            else:
                ScheduleTriggerConfig.model_validate(config)


def test_a_payload_has_its_times() -> None:
    assert set(SCHEDULE.payload_schema["properties"]) == {
        "fired_at",
        "scheduled_for",
        "last_fired_at",
    }
