"""The schedule in a sentence, and its trigger config."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


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
    day: str = ""  # "today", "tomorrow", a weekday, an ISO date; empty: the next such time
    clock: time | None = None
    zone: str | None = None
    task: str = ""

    def config(self, now: datetime, home_zone: str) -> dict[str, object]:
        """Returns the trigger's config for a person in `home_zone`."""
        zone = self.zone or home_zone
        if self.cron:
            return {"cron": self.cron, "timezone": zone}
        moment = self._moment(now.astimezone(ZoneInfo(zone)))
        local = f"{moment:%Y-%m-%dT%H:%M}"
        if self.unit:
            every = {"unit": self.unit, "count": self.count, "anchor": local}
            return {"every": every, "timezone": zone}
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
        if moment <= now and self.day in ("", "today", *DAYS):
            moment += timedelta(days=7 if self.day in DAYS else 1)
        return moment

    def _date(self, today: date) -> date:
        if self.day == "tomorrow":
            return today + timedelta(days=1)
        if self.day in DAYS:
            return today + timedelta(days=(DAYS.index(self.day) - today.isoweekday()) % 7)
        return date.fromisoformat(self.day) if self.day[:1].isdigit() else today


@dataclass(frozen=True, slots=True)
class ClarifyingQuestion:
    """The sentence lacks a detail; `question` asks for it."""

    question: str


@dataclass(frozen=True, slots=True)
class ScheduleRefusal:
    reason: str
