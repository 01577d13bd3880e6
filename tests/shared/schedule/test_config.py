"""The schedule trigger's config."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shared.registries.triggers.schedule import SCHEDULE
from shared.schedule.config import ScheduleTriggerConfig

GOOD = {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"}


def _config(**more: Any) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({**GOOD, **more})


def test_defaults() -> None:
    config = _config()
    assert (config.jitter_seconds, config.catchup_window_seconds) == (0, 600)
    assert (config.on_gap, config.on_fold, config.max_fires) == ("shift", None, None)


@pytest.mark.parametrize("missing", ["cron", "timezone"])
def test_cron_and_timezone_are_required(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        ScheduleTriggerConfig.model_validate({k: v for k, v in GOOD.items() if k != missing})


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
        ("0 9 15W * *", "day of month"),
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
    assert SCHEDULE.config_schema["required"] == ["cron", "timezone"]
    assert set(SCHEDULE.payload_schema["properties"]) == {
        "fired_at",
        "scheduled_for",
        "last_fired_at",
    }
