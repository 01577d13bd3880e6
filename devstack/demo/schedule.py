"""The schedule in a sentence, and its trigger config."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`cron` recurs; `after`, or `day` with `clock`, is one moment."""

    phrase: str
    cron: str = ""
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
        local_now = now.astimezone(ZoneInfo(zone))
        moment = self._moment(local_now)
        opening = max(local_now, moment.replace(hour=0, minute=0))
        return {
            "cron": f"{moment.minute} {moment.hour} {moment.day} {moment.month} *",
            "timezone": zone,
            # In the year meant, and in no later one.
            "start_time": opening.replace(microsecond=0).isoformat(),
            "end_time": (moment + timedelta(hours=1)).isoformat(),
            "max_fires": 1,
        }

    def _moment(self, now: datetime) -> datetime:
        if self.after is not None:
            # Through UTC, so that two hours are two hours in the night the clocks change.
            exact = (now.astimezone(ZoneInfo("UTC")) + self.after).astimezone(now.tzinfo)
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
