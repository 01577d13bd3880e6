"""Times that are equally far apart, counted from an anchor: on the wall clock, or as instants.

The next one is found by division, however far the anchor is.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Final

UNITS: Final = {
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
}
# Of these units the elapsed time counts; of the others the wall clock.
ELAPSED: Final = frozenset({"minutes", "hours"})


def count_before(anchor: datetime, step: timedelta, moment: datetime) -> int:
    """How many times, from the anchor on, come before a moment."""
    return max(0, -((anchor - moment) // step))


def times_from(
    anchor: datetime, step: timedelta, start: datetime, excluded: Collection[date] = ()
) -> Iterator[datetime]:
    """Naive local times at or after `start`, in order, until the calendar ends.

    Those of excluded dates are left out. A step is a whole number of days.
    """
    number = count_before(anchor, step, start)
    while True:
        try:
            found = anchor + number * step
        except OverflowError:
            return
        if found.date() not in excluded:
            yield found
        number += 1


def has_time(anchor: datetime, step: timedelta, local: datetime) -> bool:
    return local >= anchor and not (local - anchor) % step
