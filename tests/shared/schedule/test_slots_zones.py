"""Every zone of the IANA database, at a clock change of a year from 2020 to 2040."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from shared.schedule import zones
from shared.schedule.slots import slots_after
from tests.support.oracles.slot_oracle import Case, Oracle

HOUR = timedelta(hours=1)
YEARS = range(2020, 2041)
CRONS = ("30 {hour} * * *", "*/15 * * * *", "0 0-4 * * *", "5,35 {hour} * * *", "0 */2 * * *")
FOLDS = (None, "first", "last", "both")
GAPS = ("shift", "skip")


class Near(Oracle):
    """Hours around a change are enough: nothing in these years moves a clock by more."""

    SPAN = timedelta(hours=6)
    MARGIN = timedelta(hours=3)


def changes(zone: str, year: int) -> list[datetime]:
    """The days of a year on which the zone's clock is changed; its second day when none is."""
    info = zones.load(zone)
    days = [datetime(year, 1, 2, tzinfo=UTC) + n * 24 * HOUR for n in range(363)]
    offsets = [day.astimezone(info).utcoffset() for day in days]
    return [days[n] for n in range(362) if offsets[n] != offsets[n + 1]] or days[:1]


def change(zone: str, day: datetime) -> tuple[datetime, int]:
    """The hour in which the clock is changed, and the local hour that is missing or comes twice."""
    info = zones.load(zone)
    for before, after in pairwise(day + n * HOUR for n in range(25)):
        was, now = before.astimezone(info), after.astimezone(info)
        if was.utcoffset() != now.utcoffset():
            return before, (was.replace(tzinfo=None) + HOUR).hour if now.fold == 0 else now.hour
    return day, 2


def cases() -> Iterator[Case]:
    number = 0
    for index, zone in enumerate(sorted(zones.all_names())):
        for day in changes(zone, YEARS[index % len(YEARS)]):
            number += 1
            moment, hour = change(zone, day)
            yield Case(
                cron=CRONS[number % len(CRONS)].format(hour=hour),
                zone=zone,
                start=moment - 3 * HOUR,
                on_fold=FOLDS[number % len(FOLDS)],
                on_gap=GAPS[number // 3 % len(GAPS)],
            )


def fired(case: Case) -> list[datetime]:
    found = []
    for slot in slots_after(case.config, case.start):
        if slot.fire_time > case.start + Near.SPAN:
            break
        if not slot.skipped:
            found.append(slot.fire_time)
    return found


def test_in_every_zone_what_fires_is_what_a_walk_over_every_minute_finds() -> None:
    tried = list(cases())
    assert {case.zone for case in tried} == zones.all_names()
    assert {case.start.year for case in tried} == set(YEARS)
    wrong = [case for case in tried if fired(case) != Near(case).fires()]
    assert wrong == []
