"""Our reader of cron beside Debian's rules, a calendar, cronsim and croniter, over 2008 to 2030.

`python -m tests.support.oracles.cron_oracles [COUNT [SEED]]` compares whole spans of COUNT
expressions.
"""

import calendar
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import cache
from itertools import islice, takewhile

from croniter import croniter
from cronsim import CronSim, CronSimError

from shared.schedule import cron

FIRST, LAST = date(2008, 1, 1), date(2030, 12, 31)
DAY = timedelta(days=1)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
NAMES = {name: n for n, name in enumerate(cron.DAYS)} | {
    name: n for n, name in enumerate(cron.MONTHS, 1)
}


class Debian:
    """What crontab(5) of Debian says: five fields, and a field that starts with * is a star."""

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        self.sets = [
            set().union(*(self._range(item, low, high) for item in field.split(",")))
            for field, (low, high) in zip(fields, RANGES, strict=True)
        ]
        self.star = fields[2][0] == "*" or fields[4][0] == "*"

    def names(self, day: date) -> bool:
        if day.month not in self.sets[3]:
            return False
        weekday = day.isoweekday()
        found = (day.day in self.sets[2], bool({weekday, weekday % 7} & self.sets[4]))
        return all(found) if self.star else any(found)

    @staticmethod
    def knows(expression: str) -> bool:
        """Whether it has no days that depend on the month, and no step after a single value."""
        _, _, days, _, weekdays = expression.split()
        items = [item for field in expression.split() for item in field.split(",")]
        return not (
            _of_month(days, weekdays)
            or any("/" in item and not {"-", "*"} & set(item) for item in items)
        )

    @staticmethod
    @cache
    def _range(item: str, low: int, high: int) -> frozenset[int]:
        span, _, step = item.partition("/")
        if span != "*":
            first, _, last = span.partition("-")
            low = NAMES[first] if first in NAMES else int(first)
            high = low if not last else NAMES[last] if last in NAMES else int(last)
        return frozenset(range(low, high + 1, int(step or 1)))


class Calendar:
    """The days of an expression as a person with a calendar finds them, also `LW` and `5L`."""

    def __init__(self, expression: str, day_match: str | None = None) -> None:
        _, _, self.days, months, self.weekdays = expression.split()
        self.months = set().union(*(Debian._range(item, 1, 12) for item in months.split(",")))
        fields = (self.days, self.weekdays)
        self.all = any(field[0] == "*" for field in fields)
        if day_match:
            self.all = day_match == "all" or "*" in fields

    @staticmethod
    def knows(expression: str) -> bool:
        """Whether it has no step after a single value."""
        items = [item for field in expression.split() for item in field.split(",")]
        return not any("/" in item and not {"-", "*"} & set(item) for item in items)

    def names(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        found = (
            any(self._is_day(item, day) for item in self.days.split(",")),
            any(self._is_weekday(item, day) for item in self.weekdays.split(",")),
        )
        return all(found) if self.all else any(found)

    def _is_day(self, item: str, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        if item == "LW":
            return day.day == _working_days(day.year, day.month)[-1]
        if item[0] == "L":
            return day.day == last - int(item[2:] or 0)
        if item[-1] == "W":
            work = _working_days(day.year, day.month)
            near = min(work, key=lambda n: abs(n - int(item[:-1])))
            return int(item[:-1]) <= last and day.day == near
        return day.day in Debian._range(item, 1, 31)

    def _is_weekday(self, item: str, day: date) -> bool:
        if item[-1] == "L":
            named, nth = item[:-1], day.day + 7 > calendar.monthrange(day.year, day.month)[1]
        else:
            named, _, number = item.partition("#")
            nth = not number or (day.day - 1) // 7 + 1 == int(number)
        return nth and bool(Debian._range(named, 0, 7) & {day.isoweekday(), day.isoweekday() % 7})


@cache
def _working_days(year: int, month: int) -> list[int]:
    last = calendar.monthrange(year, month)[1]
    return [n for n in range(1, last + 1) if date(year, month, n).weekday() < 5]


def _of_month(days: str, weekdays: str) -> bool:
    """Whether some of its days depend on the month."""
    return bool({"L", "W"} & set(days)) or any(
        "#" in item or (len(item) in (2, 4) and item.endswith("L")) for item in weekdays.split(",")
    )


def draw(chance: random.Random) -> str:
    """Any expression of the grammar, also one that is refused for naming no date."""
    fields = [_field(chance, low, high) for low, high in RANGES]
    if chance.random() < 0.5:
        fields[3] = "*"
    if chance.random() < 0.15:
        last = chance.choice(
            ["L", "LW", "15W", f"{chance.randint(1, 31)}W", f"L-{chance.randint(1, 30)}"]
        )
        fields[2] = ",".join([*([] if chance.random() < 0.5 else [fields[2]]), last])
    if chance.random() < 0.15:
        nth = f"{chance.choice(['0', '3', '7', 'MON', 'SAT'])}{chance.choice(['#', 'L'])}"
        nth += "" if nth.endswith("L") else str(chance.randint(1, 5))
        fields[4] = ",".join([*([] if chance.random() < 0.5 else [fields[4]]), nth])
    return " ".join(fields)


def find_difference(expression: str, first: date, last: date) -> str | None:
    """What an oracle says otherwise of the times and the days of a span; None if all agree."""
    days = [first + n * DAY for n in range((last - first).days + 1)]
    try:
        ours = cron.read(cron.check(expression))
    except ValueError:
        named = Calendar(expression).names if Calendar.knows(expression) else None
        found = not any(map(named or _sim(expression, first), days))
        return None if found or _steps_from_weekday(expression) else "refused"
    dates = set(takewhile(lambda day: day <= last, cron.dates_from(ours, first)))
    if Debian.knows(expression):
        debian = Debian(expression)
        if dates != {day for day in days if debian.names(day)}:
            return "days of Debian"
        if (set(cron.values(ours.minutes)), set(cron.values(ours.hours))) != (
            debian.sets[0],
            debian.sets[1],
        ):
            return "times of Debian"
    for day_match in (None, "any", "all") if Calendar.knows(expression) else ():
        dates_found = cron.dates_from(cron.read(expression, day_match), first)
        named_dates = set(takewhile(lambda day: day <= last, dates_found))
        if named_dates != set(filter(Calendar(expression, day_match).names, days)):
            return f"days of a calendar, {day_match}"
    if not _steps_from_weekday(expression) and _sim_knows(expression):
        sim = CronSim(expression, datetime.combine(first, datetime.min.time()))
        if dates != set(filter(_sim(expression, first), days)):
            return "days of cronsim"
        if (set(cron.values(ours.minutes)), set(cron.values(ours.hours))) != (
            sim.minutes,
            sim.hours,
        ):
            return "times of cronsim"
    start = datetime.combine(first, datetime.min.time())
    if _croniter_agrees(expression) and _walk(ours, start) != _theirs(expression, start):
        return "walk of croniter"
    return None


def _sim_knows(expression: str) -> bool:
    """Whether cronsim has the days that depend on the month: no working day near a day."""
    _, _, days, _, weekdays = expression.split()
    return not any(
        item.startswith("L-") or (item.endswith("W") and item != "LW") for item in days.split(",")
    ) and not any(len(item) == 4 and item.endswith("L") for item in weekdays.split(","))


def _sim(expression: str, first: date) -> Callable[[date], bool]:
    """Whether cronsim names a date; none if it refuses the expression."""
    try:
        sim = CronSim(expression, datetime.combine(first, datetime.min.time()))
    except CronSimError:
        return lambda _: False
    return lambda day: day.month in sim.months and sim.match_day(day)


def _field(chance: random.Random, low: int, high: int) -> str:
    if chance.random() < 0.35:
        return "*"
    return ",".join(_item(chance, low, high) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _item(chance: random.Random, low: int, high: int) -> str:
    first, last = sorted(chance.sample(range(low, high + 1), 2))
    step = chance.randint(1, high)
    return chance.choice(
        [str(first), f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}", f"{first}/{step}"]
    )


def _steps_from_weekday(expression: str) -> bool:
    """Steps after a single day of week, which cronsim takes to 7 and we to Saturday."""
    return any("/" in i and "-" not in i and "*" not in i for i in expression.split()[4].split(","))


def _croniter_agrees(expression: str) -> bool:
    """Without what croniter reads otherwise.

    That is * with steps beside other days, nth weekdays, and the last day in a list, which it
    counts as a value: with thirty others it takes them for every day.
    """
    _, _, day, _, weekday = expression.split()
    stars = "*" in day + weekday and "*" not in (day, weekday)
    return not (stars or (_of_month(day, weekday) and day != "L") or "#" in weekday)


def _walk(ours: cron.Cron, start: datetime) -> list[datetime]:
    return list(islice(cron.minutes_from(ours, start + timedelta(minutes=1)), 3))


def _theirs(expression: str, start: datetime) -> list[datetime]:
    walk = croniter(expression, start)
    return [walk.get_next(datetime) for _ in range(3)]


def draw_many(seed: int, count: int) -> Iterator[str]:
    chance = random.Random(seed)
    return (draw(chance) for _ in range(count))


def main(count: int = 20_000, seed: int = 1) -> int:
    began, said = time.monotonic(), Counter[str]()
    for expression in draw_many(seed, count):
        if found := find_difference(expression, FIRST, LAST):
            said[found] += 1
            print(f"{expression}: {found}")
    print(f"{count} expressions, {said.total()} differences, {time.monotonic() - began:.0f} s")
    return min(said.total(), 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
