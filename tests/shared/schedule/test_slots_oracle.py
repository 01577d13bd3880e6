"""Schedules against an oracle that walks every minute, over all zones and many years."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cronsim import CronSim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.schedule import zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import PlannedSlot, slots_after

# the same cases every time: a run proves what it proved before
BOUNDED = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Case:
    cron: str
    zone: str
    start: datetime
    on_fold: str | None
    on_gap: str

    @property
    def every_n(self) -> bool:
        return "*" in self.cron.split()[1] or "/" in self.cron.split()[1]

    @property
    def config(self) -> ScheduleTriggerConfig:
        return ScheduleTriggerConfig.model_validate(
            {
                "cron": self.cron,
                "timezone": self.zone,
                "on_fold": self.on_fold,
                "on_gap": self.on_gap,
            }
        )


@lru_cache(maxsize=4096)
def _changes(zone: str, year: int) -> tuple[datetime, ...]:
    """Days of the year on which the zone's offset changes."""
    info = zones.load(zone)
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + n * DAY for n in range(366)]
    offsets = [day.astimezone(info).utcoffset() for day in days]
    return tuple(days[n] for n in range(365) if offsets[n] != offsets[n + 1])


@st.composite
def _starts(draw: st.DrawFn, zone: str) -> datetime:
    # near a change where the zone has one that year: that is where the rules are
    year = draw(st.integers(1973, 2037))
    changes = _changes(zone, year)
    if changes:
        day = draw(st.sampled_from(changes)) - DAY
    else:
        day = datetime(year, 1, 1, tzinfo=UTC) + draw(st.integers(0, 360)) * DAY
    return day + draw(st.integers(0, 1439)) * MINUTE


def _values(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    span = (
        st.tuples(st.integers(low, high), st.integers(low, high))
        .filter(lambda pair: pair[0] < pair[1])
        .map(lambda pair: f"{pair[0]}-{pair[1]}")
    )
    return st.lists(number | span, min_size=1, max_size=3).map(",".join)


_MINUTES = st.sampled_from(["0", "30", "*/15", "*", "5,35", "20-40/10"]) | _values(0, 59)
_HOURS = st.sampled_from(["*", "0", "1", "2", "3", "0-4", "*/2", "1-23/2", "2,3"]) | _values(0, 23)
_DATES = st.sampled_from(["* * *", "* * *", "1,15 * 1-5", "* * 0,7", "L * *", "* 3,10,11 *"])


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(sorted(zones.all_names())))
    return Case(
        cron=f"{draw(_MINUTES)} {draw(_HOURS)} {draw(_DATES)}",
        zone=zone,
        start=draw(_starts(zone)),
        on_fold=draw(st.sampled_from([None, "first", "last", "both"])),
        on_gap=draw(st.sampled_from(["shift", "skip"])),
    )


class Oracle:
    """What fires in the days after a start, by walking every minute of them."""

    SPAN = 2 * DAY
    MARGIN = timedelta(hours=26)

    def __init__(self, case: Case) -> None:
        self.case = case
        self.zone = zones.load(case.zone)
        self.matcher = CronSim(case.cron, case.start.replace(tzinfo=None))
        # local minute → the instants at which the clock shows it
        self.shown: dict[datetime, list[datetime]] = {}
        instant = case.start - self.MARGIN
        while instant <= case.start + self.SPAN + self.MARGIN:
            wall = instant.astimezone(self.zone).replace(tzinfo=None, fold=0)
            self.shown.setdefault(wall, []).append(instant)
            instant += MINUTE

    def named(self, wall: datetime) -> bool:
        m = self.matcher
        return (
            wall.minute in m.minutes
            and wall.hour in m.hours
            and wall.month in m.months
            and m.match_day(wall.date())
        )

    def fires(self) -> list[datetime]:
        after, until = self.case.start, self.case.start + self.SPAN
        return sorted({t for t in self._all() if after < t <= until})

    def _all(self) -> Iterator[datetime]:
        wall, last = min(self.shown), max(self.shown)
        earlier: datetime | None = None
        while wall <= last:
            instants = self.shown.get(wall)
            if self.named(wall):
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


def _until(case: Case) -> list[PlannedSlot]:
    found = []
    for slot in slots_after(case.config, case.start):
        if slot.fire_time > case.start + Oracle.SPAN:
            break
        found.append(slot)
    return found


@BOUNDED
@given(_cases())
def test_what_fires_is_what_a_walk_over_every_minute_finds(case: Case) -> None:
    slots = _until(case)
    assert [slot.fire_time for slot in slots if not slot.skipped] == Oracle(case).fires()


@BOUNDED
@given(_cases())
def test_slots_are_ordered_unique_and_accounted_for(case: Case) -> None:
    slots = _until(case)
    fire_times = [slot.fire_time for slot in slots]
    assert fire_times == sorted(fire_times)
    assert len({slot.slot_time for slot in slots}) == len(slots)
    running = {slot.slot_time for slot in slots if not slot.skipped}
    for slot in slots:
        assert bool(slot.reason) == slot.skipped
        assert slot.coincides_with is None or slot.coincides_with in running
        local = datetime.fromisoformat(slot.local_time)
        named = local.replace(tzinfo=zones.load(case.zone), fold=slot.fold)
        assert slot.slot_time - named.astimezone(UTC) in (
            timedelta(0),
            timedelta(microseconds=1),
        )
