"""Our reader of cron beside Debian's rules, cronsim and croniter, over the days of 2008 to 2030.

`python -m tests.support.cron_oracles [COUNT [SEED]]` compares whole spans of COUNT expressions.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
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
        """Whether it has no nth weekday, no last day and no step after a single value."""
        items = [item for field in expression.split() for item in field.split(",")]
        return not any(
            "#" in item or item == "L" or ("/" in item and not {"-", "*"} & set(item))
            for item in items
        )

    @staticmethod
    def _range(item: str, low: int, high: int) -> set[int]:
        span, _, step = item.partition("/")
        if span != "*":
            first, _, last = span.partition("-")
            low = NAMES[first] if first in NAMES else int(first)
            high = low if not last else NAMES[last] if last in NAMES else int(last)
        return set(range(low, high + 1, int(step or 1)))


def draw(chance: random.Random) -> str:
    """Any expression of the grammar, also one that is refused for naming no date."""
    fields = [_field(chance, low, high) for low, high in RANGES]
    if chance.random() < 0.5:
        fields[3] = "*"
    if chance.random() < 0.15:
        fields[2] = ",".join([*([] if chance.random() < 0.5 else [fields[2]]), "L"])
    if chance.random() < 0.15:
        nth = f"{chance.choice(['0', '3', '7', 'MON', 'SAT'])}#{chance.randint(1, 5)}"
        fields[4] = ",".join([*([] if chance.random() < 0.5 else [fields[4]]), nth])
    return " ".join(fields)


def find_difference(expression: str, first: date, last: date) -> str | None:
    """What an oracle says otherwise of the times and the days of a span; None if all agree."""
    days = [first + n * DAY for n in range((last - first).days + 1)]
    try:
        ours = cron.read(cron.check(expression))
    except ValueError:
        found = _steps_from_weekday(expression) or not any(map(_sim(expression, first), days))
        return None if found else "refused"
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
    if not _steps_from_weekday(expression):
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
    return not ("#" in weekday or stars or ("," in day and "L" in day))


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
