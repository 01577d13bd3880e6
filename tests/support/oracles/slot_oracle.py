"""What a schedule of any form fires, by walking every minute. It shares no code with it.

`python -m tests.support.oracles.slot_oracle [COUNT [SEED]]` compares COUNT schedules near clock
changes of 2008 to 2030.
"""

import random
import sys
import time as clocks
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any

from cronsim import CronSim

from shared.schedule import zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot, slots_after
from tests.support.oracles.cron_oracles import Calendar

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
STEPS = {"minutes": MINUTE, "hours": timedelta(hours=1), "days": DAY, "weeks": 7 * DAY}
# Zones with clock changes of every kind: halves of an hour, days that are skipped, negative
# summer time, changes at midnight, offsets with seconds long ago, and none at all.
ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Juba",
    "Africa/Khartoum",
    "Africa/Monrovia",
    "Africa/Sao_Tome",
    "Africa/Tripoli",
    "Africa/Windhoek",
    "America/Anchorage",
    "America/Asuncion",
    "America/Bogota",
    "America/Campo_Grande",
    "America/Caracas",
    "America/Chicago",
    "America/Godthab",
    "America/Havana",
    "America/Mexico_City",
    "America/Miquelon",
    "America/New_York",
    "America/Noronha",
    "America/Port-au-Prince",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Davis",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Baghdad",
    "Asia/Beirut",
    "Asia/Damascus",
    "Asia/Dhaka",
    "Asia/Gaza",
    "Asia/Hovd",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Asia/Yerevan",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Europe/London",
    "Europe/Moscow",
    "Europe/Paris",
    "Europe/Volgograd",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Fakaofo",
    "Pacific/Fiji",
    "Pacific/Norfolk",
    "UTC",
]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A schedule, and a moment after which its fires are walked."""

    zone: str
    start: datetime
    cron: str = ""
    at: datetime | None = None
    unit: str = ""
    count: int = 1
    anchor: datetime = datetime(1, 1, 1)  # noqa: DTZ001
    day_match: str | None = None
    excluded: frozenset[date] = field(default_factory=frozenset)
    on_fold: str | None = None
    on_gap: str = "shift"

    @property
    def elapsed(self) -> bool:
        return self.unit in ("minutes", "hours")

    @property
    def every_n(self) -> bool:
        hours = self.cron.split()[1] if self.cron else ""
        return "*" in hours or "/" in hours

    @cached_property
    def config(self) -> ScheduleTriggerConfig:
        said: dict[str, Any] = {"timezone": self.zone, "day_match": self.day_match}
        if self.cron:
            said["cron"] = self.cron
        elif self.at is not None:
            said["at"] = self.at.isoformat()
        else:
            anchor = self.anchor.isoformat()
            said["every"] = {"unit": self.unit, "count": self.count, "anchor": anchor}
        if self.excluded:
            said["excluded_dates"] = [day.isoformat() for day in self.excluded]
        if not self.elapsed:
            said |= {"on_fold": self.on_fold, "on_gap": self.on_gap}
        return ScheduleTriggerConfig.model_validate(said)

    @cached_property
    def named(self) -> Callable[[datetime], bool]:
        """Whether a minute of the wall clock is one that the schedule names."""
        if self.cron:
            return _by_cron(self.cron, self.day_match, self.start)
        if self.at is not None:
            return lambda wall: wall == self.at
        step, anchor = self.count * STEPS[self.unit], self.anchor
        return lambda wall: (
            wall >= anchor
            and wall.time() == anchor.time()
            and (wall.date() - anchor.date()).days % step.days == 0
        )


def _by_cron(expression: str, day_match: str | None, start: datetime) -> Callable[[datetime], bool]:
    minute, hour, _, _, _ = expression.split()
    sim = CronSim(f"{minute} {hour} * * *", start.replace(tzinfo=None))
    named = lru_cache(maxsize=None)(Calendar(expression, day_match).names)
    return lambda wall: wall.minute in sim.minutes and wall.hour in sim.hours and named(wall.date())


class Oracle:
    """What fires in the days after a start, by walking every minute of them."""

    SPAN = 2 * DAY
    MARGIN = timedelta(hours=26)

    def __init__(self, case: Case) -> None:
        self.case = case
        self.zone = zones.load(case.zone)

    @cached_property
    def shown(self) -> dict[datetime, list[datetime]]:
        """By local minute the instants at which the clock shows it."""
        found: dict[datetime, list[datetime]] = {}
        instant = self.case.start - self.MARGIN
        last = self.case.start + self.SPAN + self.MARGIN
        while instant <= last:
            wall = instant.astimezone(self.zone).replace(tzinfo=None, fold=0)
            found.setdefault(wall, []).append(instant)
            instant += MINUTE
        return found

    def fires(self) -> list[datetime]:
        after, until = self.case.start, self.case.start + self.SPAN
        found = self._elapsed() if self.case.elapsed else self._all()
        return sorted({t for t in found if after < t <= until and not self._is_excluded(t)})

    def _is_excluded(self, moment: datetime) -> bool:
        return moment.astimezone(self.zone).date() in self.case.excluded

    def _elapsed(self) -> Iterator[datetime]:
        """Whole seconds since the anchor, which is its first time if the clock shows it twice."""
        anchor = self.case.anchor.replace(tzinfo=self.zone).timestamp()
        step = int((self.case.count * STEPS[self.case.unit]).total_seconds())
        for second in range(int(self.case.start.timestamp()), int(self._last.timestamp()) + 1):
            if second >= anchor and (second - int(anchor)) % step == 0:
                yield datetime.fromtimestamp(second, UTC)

    @property
    def _last(self) -> datetime:
        return self.case.start + self.SPAN

    def _all(self) -> Iterator[datetime]:
        wall, last = min(self.shown), max(self.shown)
        earlier: datetime | None = None
        while wall <= last:
            instants = self.shown.get(wall)
            if self.case.named(wall) and wall.date() not in self.case.excluded:
                yield from self._in_fold(instants) if instants else self._in_gap(wall, earlier)
            if instants:
                earlier = wall
            wall += MINUTE

    def _in_fold(self, instants: list[datetime]) -> list[datetime]:
        rule = self.case.on_fold or ("both" if self.case.every_n else "first")
        return {"first": instants[:1], "last": instants[-1:], "both": instants}[rule]

    def _in_gap(self, wall: datetime, earlier: datetime | None) -> list[datetime]:
        if self.case.on_gap == "skip" or earlier is None:
            return []
        last_before = self.shown[earlier][-1]
        if self.case.every_n:
            return [last_before + (wall - earlier)]
        return [last_before + MINUTE]


def list_slots(case: Case) -> list[PlannedSlot]:
    """The slots of the days that the oracle walks."""
    found = []
    for slot in slots_after(case.config, case.start):
        if slot.fire_time > case.start + Oracle.SPAN:
            break
        found.append(slot)
    return found


def find_difference(case: Case) -> str | None:
    """What the schedule says otherwise than the walk; None if nothing."""
    ours = [slot.fire_time for slot in list_slots(case) if not slot.skipped]
    theirs = Oracle(case).fires()
    if ours == theirs:
        return None
    wrong = sorted(set(ours) ^ set(theirs))
    return f"{case}: {len(wrong)} moments, first {wrong[0] if wrong else ours}"


@lru_cache(maxsize=4096)
def find_changes(zone: str, year: int) -> tuple[datetime, ...]:
    """Days of the year on which the zone's offset changes."""
    info = zones.load(zone)
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + n * DAY for n in range(366)]
    offsets = [day.astimezone(info).utcoffset() for day in days]
    return tuple(days[n] for n in range(365) if offsets[n] != offsets[n + 1])


def draw(chance: random.Random) -> Case:
    """A schedule of any form, mostly near a change of the clock of its zone."""
    zone, year = chance.choice(ZONES), chance.randint(2008, 2030)
    day = datetime(year, 1, 1, tzinfo=UTC) + chance.randrange(360) * DAY
    if (changes := find_changes(zone, year)) and chance.random() < 0.8:
        day = chance.choice(changes) - DAY
    start = day + chance.randrange(1440) * MINUTE
    near = start.astimezone(zones.load(zone)).replace(tzinfo=None)
    more: dict[str, Any] = {
        "zone": zone,
        "start": start,
        "on_fold": chance.choice([None, "first", "last", "both"]),
        "on_gap": chance.choice(["shift", "skip"]),
    }
    if chance.random() < 0.5:
        days = [near.date() + n * DAY for n in range(-1, 4)]
        more["excluded"] = frozenset(chance.sample(days, chance.randint(1, 2)))
    match chance.choice(["at", "elapsed", "elapsed", "days", "days", "cron"]):
        case "at":
            return _at(near, chance, more)
        case "elapsed":
            anchor = near + chance.randint(-9 * 366 * 1440, 2 * 1440) * MINUTE
            unit = chance.choice(["minutes", "hours"])
            return Case(**more, unit=unit, count=chance.choice([1, 7, 25, 90, 1000]), anchor=anchor)
        case "days":
            unit, count = chance.choice([("days", 1), ("days", 2), ("days", 3), ("weeks", 1)])
            first = near.date() - chance.randrange(-2, 9 * 366) * DAY
            anchor = datetime.combine(first, _clock(chance))
            return Case(**more, unit=unit, count=count, anchor=anchor)
    dates = chance.choice(
        ["* * *", "LW * *", "L-1 * *", "1W,15W,30W * *", "* * 5L,1L", "1-20 * 1-5"]
    )
    clock = _clock(chance)
    hours = chance.choice([str(clock.hour), "*", "*/2", "0-4", "23"])
    match = chance.choice([None, "any", "all"])
    return Case(**more, cron=f"{clock.minute} {hours} {dates}", day_match=match)


def _at(near: datetime, chance: random.Random, more: dict[str, Any]) -> Case:
    day = near.date() + chance.randint(0, 2) * DAY
    more = {key: value for key, value in more.items() if key != "excluded"}
    if more["on_fold"] == "both":
        more["on_fold"] = None
    return Case(**more, at=datetime.combine(day, _clock(chance)))


def _clock(chance: random.Random) -> time:
    """Mostly in the hours in which clocks change."""
    hour = chance.choice([0, 1, 2, 3, 23, chance.randrange(24)])
    return time(hour, chance.choice([0, 15, 30, 59]))


def main(count: int = 20_000, seed: int = 1) -> int:
    chance, began, wrong = random.Random(seed), clocks.monotonic(), 0
    for _ in range(count):
        if found := find_difference(draw(chance)):
            wrong += 1
            print(found)
    print(f"{count} schedules, {wrong} differences, {clocks.monotonic() - began:.0f} s")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
