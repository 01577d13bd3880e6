"""What each run waits for, from its due moment to its end, inside the service's process.

`watch` wraps the functions through which a run passes. Each moment of a run belongs to one wait, so
the waits of a run sum up to its wall time. The wrappers cost some CPU: the figures are shares.
"""

import asyncio
import functools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
from pgqueuer.qm import QueueManager

from automation_service.claim_burst import ClaimBurst
from automation_service.persistence import slot_dispatch
from automation_service.queue import _Manager
from automation_service.queue_entries import EntryQueries
from automation_service.runs.batcher import Batcher
from automation_service.runs.event_log import RunLog
from automation_service.runs.worker import RunWorker
from automation_service.runs.writer import BatchWriter
from automation_service.scheduling.scheduler import Scheduler

TICK: Final = "firing: an earlier batch"
FIRING: Final = "firing: its own batch"
QUEUED: Final = "queue"
FULL: Final = "queue: all places are taken"
ASLEEP: Final = "queue: the worker sleeps"
DELIVERY: Final = "queue: a delivery is in flight"
LOOK: Final = "queue: a look for more is in flight"
OTHERS: Final = "queue: others are handed out"
TASK: Final = "loop: until its task begins"
BURST: Final = "steps: the burst of claims"
STEPS: Final = "steps"
PYTHON: Final = "steps: its own Python"
LOOP: Final = "steps: the loop runs others"
AHEAD: Final = "the batch before"
CONNECTION: Final = "a connection"
BETWEEN: Final = "Python between statements"
REPLY: Final = "loop, until it goes on"
KINDS: Final = {"claims": "claim", "writes": "result", "endings": "end"}
SAMPLE_SECONDS: Final = 0.005

_run: ContextVar[UUID | None] = ContextVar("run", default=None)
_batch: ContextVar[tuple[str, list[UUID]] | None] = ContextVar("batch", default=None)
_fired: ContextVar[tuple[float, list[UUID]]] = ContextVar("fired")


Seconds = defaultdict[str, float]


def _no_seconds() -> Seconds:
    return defaultdict(float)


@dataclass(slots=True)
class Timeline:
    """Seconds of one run by wait. While the run waits for a result's write, that counts."""

    wait: str
    since: float
    began: float
    write: str = ""
    blocked: bool = False
    python: float = 0.0
    ended: float | None = None
    seconds: Seconds = field(default_factory=_no_seconds)

    def move(
        self, *, wait: str | None = None, write: str | None = None, blocked: bool | None = None
    ) -> None:
        now = time.perf_counter()
        self.seconds[self.write if self.blocked else self.wait] += now - self.since
        self.since = now
        self.wait = self.wait if wait is None else wait
        self.write = self.write if write is None else write
        self.blocked = self.blocked if blocked is None else blocked

    def settle(self) -> Seconds:
        """Its seconds, the steps parted into its own Python and that of others."""
        found = self.seconds.copy()
        steps = found.pop(STEPS, 0.0)
        found[PYTHON] = min(self.python, steps)
        found[LOOP] = steps - found[PYTHON]
        return found


@dataclass(slots=True)
class Phases:
    """Seconds of a process by what it does; a phase lasts until the next one begins."""

    phase: str
    since: float = field(default_factory=time.perf_counter)
    seconds: Seconds = field(default_factory=_no_seconds)

    def begin(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[self.phase] += now - self.since
        self.since, self.phase = now, phase


@dataclass(slots=True)
class RunWaits:
    """The timelines of a process, and what its queue, its loop and its statements do meanwhile."""

    runs: dict[UUID, Timeline] = field(default_factory=dict)
    queued: dict[UUID, Seconds] = field(default_factory=dict)
    queue: Phases = field(default_factory=lambda: Phases(ASLEEP))
    flights: Phases = field(default_factory=lambda: Phases("0"))
    in_flight: int = 0
    batches: Counter[str] = field(default_factory=Counter)
    batched: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, float, float, Seconds]] = field(default_factory=list)

    def move(self, runs: Iterable[UUID], kind: str, what: str) -> None:
        for run in runs:
            line = self.runs.get(run)
            if line is not None and line.ended is None:
                wait = f"{kind}: {what}"
                line.move(write=wait) if kind == KINDS["writes"] else line.move(wait=wait)

    def fly(self, change: int) -> None:
        self.in_flight += change
        self.flights.begin(str(min(self.in_flight, 4)))

    async def sample(self) -> None:
        """Samples the lag and the CPU time of the loop until it is cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(SAMPLE_SECONDS)
            now = time.perf_counter()
            self.flights.begin(self.flights.phase)
            lag = now - began - SAMPLE_SECONDS
            self.samples.append((now, lag, time.thread_time(), self.flights.seconds.copy()))

    def report(self) -> dict[str, Any]:
        """The mean seconds of the runs by wait, as JSON, and what the process did meanwhile."""
        ended = [line for line in self.runs.values() if line.ended is not None]
        if not ended:
            return {"runs": 0}
        waits = _no_seconds()
        for line in ended:
            for wait, seconds in line.settle().items():
                waits[wait] += seconds
        wall = sum((line.ended or 0.0) - line.began for line in ended)
        first = min(line.began for line in ended)
        last = max(line.ended or 0.0 for line in ended)
        inside = [one for one in self.samples if first <= one[0] <= last]
        if not inside:
            return {"runs": 0}
        (begin, _, began_cpu, before), (end, _, ended_cpu, after) = inside[0], inside[-1]
        span = end - begin or 1.0
        lags = sorted(lag for _, lag, _, _ in inside)
        return {
            "runs": len(ended),
            "wall": wall / len(ended),
            "span": last - first,
            "waits": {wait: seconds / len(ended) for wait, seconds in waits.items()},
            "busy": (ended_cpu - began_cpu) / span,
            "lag": lags[len(lags) * 99 // 100],
            "in_flight": {n: (after[n] - before[n]) / span for n in sorted(after)},
            "batches": {kind: [n, self.batched[kind] / n] for kind, n in self.batches.items()},
        }


class _TimedCoroutine:
    """A coroutine whose own time on the loop is counted."""

    def __init__(self, work: Coroutine[Any, Any, Any], line: Timeline) -> None:
        self._work, self._line = work, line

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            began = time.perf_counter()
            try:
                asked = self._work.send(value) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                self._line.python += time.perf_counter() - began
            value, error = None, None
            try:
                value = yield asked
            except BaseException as raised:  # noqa: BLE001 - the coroutine gets it
                error = raised


def watch() -> RunWaits:
    """Wraps the functions of the service in this process, before it starts."""
    waits = RunWaits()
    for watched in (_watch_firing, _watch_queue, _watch_batches, _watch_runs, _watch_statements):
        watched(waits)
    return waits


def _wrap(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    call = getattr(owner, name)
    setattr(owner, name, functools.wraps(call)(wrap(call)))


def _watch_firing(waits: RunWaits) -> None:
    clocks: list[Any] = []

    def fire(call: Any) -> Any:
        async def fire_due(self: Any, *args: Any) -> Any:
            clocks[:] = [self.clock]
            fresh: list[UUID] = []
            _fired.set((time.perf_counter(), fresh))
            fired = await call(self, *args)
            waits.queue.begin(waits.queue.phase)
            for run in fresh:
                waits.runs[run].move(wait=QUEUED)
                waits.queued[run] = waits.queue.seconds.copy()
            return fired

        return fire_due

    def insert(call: Any) -> Any:
        async def insert_slots(connection: Any, decided: Any, now: Any) -> Any:
            inserted = await call(connection, decided, now)
            began, fresh = _fired.get()
            for row in decided:
                if row.run in inserted:
                    run = UUID(int=row.run.int)
                    late = (clocks[0].now() - row.fire_time).total_seconds()
                    due = time.perf_counter() - late
                    line = waits.runs[run] = Timeline(wait=FIRING, since=began, began=due)
                    line.seconds[TICK] = began - due
                    fresh.append(run)
            return inserted

        return insert_slots

    _wrap(Scheduler, "fire_due", fire)
    _wrap(slot_dispatch, "insert_slots", insert)


def _watch_queue(waits: RunWaits) -> None:
    def deliver(call: Any) -> Any:
        async def dequeue(self: Any, **more: Any) -> Any:
            waits.queue.begin(DELIVERY)
            jobs = await call(self, **more)
            waits.queue.begin(OTHERS)
            for job in jobs:
                _take(waits, UUID((job.payload or b"").decode()))
            return jobs

        return dequeue

    def phase(during: str, after: str) -> Callable[[Any], Any]:
        def wrap(call: Any) -> Any:
            async def wrapped(self: Any, *args: Any) -> Any:
                waits.queue.begin(during)
                found = await call(self, *args)
                waits.queue.begin(after)
                return found

            return wrapped

        return wrap

    _wrap(EntryQueries, "dequeue", deliver)
    _wrap(QueueManager, "_effective_dequeue_timeout", phase(LOOK, ASLEEP))
    _wrap(_Manager, "_wait_for_place", phase(FULL, OTHERS))


def _take(waits: RunWaits, run: UUID) -> None:
    """Parts the time of a run in the queue by what the queue did meanwhile."""
    line, before = waits.runs.get(run), waits.queued.pop(run, None)
    if line is None:
        return
    line.move(wait=TASK)
    if before is not None:
        spent = line.seconds.pop(QUEUED, 0.0)
        parts = {what: n - before[what] for what, n in waits.queue.seconds.items()}
        whole = sum(parts.values()) or 1.0
        for what, seconds in parts.items():
            line.seconds[what] += spent * seconds / whole


def _watch_batches(waits: RunWaits) -> None:
    kinds: dict[int, str] = {}

    def build(call: Any) -> Any:
        def init(self: Any, **more: Any) -> None:
            call(self, **more)
            kinds.update({id(getattr(self, name)): kind for name, kind in KINDS.items()})

        return init

    def submit(call: Any) -> Any:
        def submitted(self: Any, item: Any) -> Any:
            waits.move([self.key(item)], kinds[id(self)], AHEAD)
            return call(self, item)

        return submitted

    def flush(call: Any) -> Any:
        async def flushed(self: Any, batch: Any) -> None:
            kind, runs = kinds[id(self)], [self.key(item) for item, _ in batch]
            waits.batches[kind] += 1
            waits.batched[kind] += len(batch)
            _batch.set((kind, runs))
            waits.move(runs, kind, CONNECTION)
            await call(self, batch)
            waits.move(runs, kind, REPLY)

        return flushed

    _wrap(BatchWriter, "__init__", build)
    _wrap(Batcher, "submit", submit)
    _wrap(Batcher, "_flush", flush)


def _watch_runs(waits: RunWaits) -> None:
    def execute(call: Any) -> Any:
        async def executed(self: Any, run: UUID) -> None:
            _run.set(run)
            line = waits.runs.get(run)
            if line is not None:
                line.move(wait=STEPS)
                await _TimedCoroutine(call(self, run), line)
            else:
                await call(self, run)

        return executed

    def around(
        name: Callable[[Any, Any], Any], during: dict[str, Any], after: dict[str, Any]
    ) -> Any:
        def wrap(call: Any) -> Any:
            async def wrapped(self: Any, *args: Any, **more: Any) -> Any:
                line = waits.runs.get(name(self, args))
                if line is not None and during:
                    line.move(**during)
                found = await call(self, *args, **more)
                if line is not None:
                    line.move(**after)
                return found

            return wrapped

        return wrap

    def finish(call: Any) -> Any:
        async def ended(self: Any, *args: Any, **more: Any) -> None:
            await call(self, *args, **more)
            if (line := waits.runs.get(self.claim.run)) is not None:
                line.move(wait=STEPS)
                line.ended = line.since

        return ended

    _wrap(RunWorker, "execute", execute)
    _wrap(BatchWriter, "claim", around(lambda _, args: args[0], {}, {"wait": STEPS}))
    _wrap(ClaimBurst, "wait", around(lambda *_: _run.get(), {"wait": BURST}, {"wait": STEPS}))
    stored = around(lambda log, _: log.claim.run, {"blocked": True}, {"blocked": False})
    _wrap(RunLog, "_wait_stored", stored)
    _wrap(RunLog, "end", finish)


def _watch_statements(waits: RunWaits) -> None:
    def ask(call: Any) -> Any:
        async def asked(self: Any, query: str, *args: Any, **more: Any) -> Any:
            batch = _batch.get()
            if batch:
                waits.move(batch[1], batch[0], _what(query))
            waits.fly(1)
            try:
                return await call(self, query, *args, **more)
            finally:
                waits.fly(-1)
                if batch:
                    waits.move(batch[1], batch[0], BETWEEN)

        return asked

    _wrap(asyncpg.Connection, "fetch", ask)
    _wrap(asyncpg.Connection, "execute", ask)


def _what(query: str) -> str:
    word = query.split(None, 1)[0].upper().rstrip(";")
    return {"COMMIT": "the commit", "BEGIN": "the begin"}.get(word, "a statement")
