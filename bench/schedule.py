"""The CPU time to compute ten slots of a schedule, beside croniter and cronsim."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from statistics import median

from croniter import croniter
from cronsim import CronSim

from bench.table import Table, format_ratio
from shared.schedule import zones
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import next_slots

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
COUNT = 10
ROUNDS = 7
REPEATS = 50
SHAPES = {
    "every minute": "* * * * *",
    "weekdays at 9": "0 9 * * 1-5",
    "the 31st at 7:30": "30 7 31 * *",
}


async def run() -> Table:
    rows = [["10 slots, CPU µs", "ours", "croniter", "cronsim", "ours/croniter", "ours/cronsim"]]
    for name, cron in SHAPES.items():
        config = ScheduleTriggerConfig(cron=cron, timezone="Europe/Paris")
        local = START.astimezone(zones.load("Europe/Paris"))
        figures = _side_by_side(
            partial(next_slots, config, START, COUNT),
            partial(_croniter, cron, local),
            partial(_cronsim, cron, local),
        )
        ours, theirs, sim = figures
        rows.append(
            [
                name,
                *(f"{f:.0f}" for f in figures),
                format_ratio(ours, theirs),
                format_ratio(ours, sim),
            ]
        )
    return Table(rows, "Ours also says fold, gap, offset and note of each slot.")


def _side_by_side(*contenders: Callable[[], object]) -> list[float]:
    """CPU microseconds a call: the median of rounds in which the contenders take turns."""
    found: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for contender, times in zip(contenders, found, strict=True):
            began = time.process_time()
            for _ in range(REPEATS):
                contender()
            times.append((time.process_time() - began) / REPEATS * 1e6)
    return [median(times) for times in found]


def _croniter(cron: str, local: datetime) -> list[datetime]:
    walk = croniter(cron, local)
    return [walk.get_next(datetime) for _ in range(COUNT)]


def _cronsim(cron: str, local: datetime) -> list[datetime]:
    walk = CronSim(cron, local)
    return [next(walk) for _ in range(COUNT)]
