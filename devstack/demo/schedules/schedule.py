"""The schedule in a sentence, and its trigger config."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from devstack.demo.schedules.dates import DAYS, Exclusion, describe_date, find_date

_DAYS_OF = {"*": range(7), "1-5": range(1, 6), "0,6": (0, 6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`cron` recurs, and `unit` every `count` of it; `after`, or `day` with `clock`, is one moment.

    A unit of days or weeks begins with the next such `day` and `clock`, one of minutes or hours
    with the next minute.
    """

    phrase: str
    cron: str = ""
    unit: str = ""
    count: int = 1
    after: timedelta | None = None
    # "today", "tomorrow", a weekday, a date as `read_date` has it; empty: the next such time
    day: str = ""
    clock: time | None = None
    zone: str | None = None
    task: str = ""
    excluded: tuple[str, ...] = ()  # dates, as `read_date` has them

    def config(self, now: datetime, home_zone: str) -> dict[str, object]:
        """Returns the trigger's config for a person in `home_zone`."""
        zone = self.zone or home_zone
        here = now.astimezone(ZoneInfo(zone))
        left_out = sorted(f"{find_date(said, here.date())}" for said in self.excluded)
        excluded = {"excluded_dates": left_out} if left_out else {}
        if self.cron:
            return {"cron": self.cron, "timezone": zone, **excluded}
        moment = self._moment(here)
        local = f"{moment:%Y-%m-%dT%H:%M}"
        if self.unit:
            every = {"unit": self.unit, "count": self.count, "anchor": local}
            return {"every": every, "timezone": zone, **excluded}
        # Of a time that comes twice, the one that is meant.
        second = {"on_fold": "last"} if moment.fold else {}
        return {"at": local, "timezone": zone, **second}

    @property
    def is_once(self) -> bool:
        return not self.cron and not self.unit

    def _moment(self, now: datetime) -> datetime:
        if self.after is not None or (self.unit and self.clock is None):
            # Through UTC, so that two hours are two hours in the night the clocks change.
            exact = (now.astimezone(ZoneInfo("UTC")) + (self.after or timedelta())).astimezone(
                now.tzinfo
            )
            whole = exact.replace(second=0, microsecond=0)
            return whole if whole == exact else whole + timedelta(minutes=1)
        moment = datetime.combine(self._date(now.date()), self.clock or time(), now.tzinfo)
        if moment <= now and self.day.startswith("--"):
            later = find_date(self.day, now.date() + timedelta(days=1))
            return datetime.combine(later, self.clock or time(), now.tzinfo)
        if moment <= now and self.day in ("", "today", *DAYS):
            moment += timedelta(days=7 if self.day in DAYS else 1)
        return moment

    def _date(self, today: date) -> date:
        if self.day == "tomorrow":
            return today + timedelta(days=1)
        if self.day in DAYS:
            return today + timedelta(days=(DAYS.index(self.day) - today.isoweekday()) % 7)
        return find_date(self.day, today) if "-" in self.day else today


@dataclass(frozen=True, slots=True)
class ClarifyingQuestion:
    """The sentence lacks a detail; `question` asks for it."""

    question: str


@dataclass(frozen=True, slots=True)
class ScheduleRefusal:
    reason: str


def exclude(schedule: Schedule, left_out: Exclusion) -> Schedule | None:
    """Returns None when such a schedule can't leave that out, or has nothing left."""
    if not left_out.words:
        return schedule
    if schedule.is_once:
        return None
    phrase, cron = schedule.phrase, schedule.cron
    if left_out.days:
        minute, hour, *date, of_week = cron.split(" ") if cron else ("", "", "", "")
        listed = re.fullmatch(r"\d(?:,\d)*", of_week)
        kept = [
            day
            for day in _DAYS_OF.get(of_week, map(int, of_week.split(",")) if listed else ())
            if day not in left_out.days
        ]
        if date != ["*", "*"] or not kept:
            return None
        cron = f"{minute} {hour} * * {','.join(map(str, kept))}"
        phrase += f", except on {' and '.join(DAYS[day].capitalize() for day in left_out.days)}"
    if left_out.dates:
        phrase += f", but not on {' and on '.join(map(describe_date, left_out.dates))}"
    return replace(schedule, cron=cron, phrase=phrase, excluded=left_out.dates)
