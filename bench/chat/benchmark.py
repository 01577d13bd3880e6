"""Streamed answers: the service, which stores their frames, beside peers.

`in process` runs the same agent without a service, with its checkpoints. `stock` runs the plainest
agent of LangGraph there is, `ChatOpenAI` in `create_agent`, without a service, without checkpoints
and without anything of this project; the peers serve that same agent. Model server, clients and
each contender are processes of their own, and all ask the same model server on this machine.

The same code costs a third more CPU while others keep the cores and their caches busy, as client
and database do while a service is measured. So there is a second pair of CPU figures, of service
and agent in process at the same time: as many streams each, side by side from beginning to end.

The first answers of all streams are asked for at once. A stream that has more asks for the next
when one has ended, beside the answers of the others; the rows of these begin with `later`.

Tokens come as fast as each contender takes them, or paced: 20 a second in each stream, as a model
gives them. Loads of `SPLIT_STREAMS` and more come from two clients. PostgreSQL's CPU is of all its
processes, also for `in process` and a peer that stores in it.

`ROTA_BENCH_STREAMS=1,50` chooses how many at once, `ROTA_BENCH_PACED=100x80,150x80` the paced
shapes as streams x tokens; either may be empty. `ROTA_BENCH_PEERS=0` leaves the peers out,
`ROTA_BENCH_WATCHERS=0` the idle watchers, and `ROTA_BENCH_ROUNDS=1` is how often each figure is
measured. `ROTA_BENCH_PEERS=0 ROTA_BENCH_WATCHERS=0 ROTA_BENCH_ROUNDS=1 ROTA_BENCH_STREAMS=10
ROTA_BENCH_PACED=10x20` takes half a minute.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Final, TypeVar

import orjson

from bench import processes
from bench.chat import graph_load, load, peers, watchers
from bench.chat.environment import Environment, open_environment
from bench.chat.measurement import QUANTILES, Measurement, busy_notes
from bench.chat.shape import LoadShape, read_count, read_paced, read_unpaced
from bench.database import measure_cpu
from bench.table import Table, format_ratio

ROTA: Final = "rota"
ALONE: Final = "in process"
STOCK: Final = "stock"
OURS: Final = (ROTA, ALONE, STOCK)
# Of how often each shape is measured, by how many streams it has.
ROUNDS: Final = {1: 3, 50: 3, 100: 3, 150: 3, 200: 2, 500: 1}
PAIR_ROUNDS: Final = 3
PEER_ROUNDS: Final = 1
SPLIT_STREAMS: Final = 200
WARM: Final = LoadShape(streams=5, tokens=20)


@dataclass(slots=True)
class ShapeFigures:
    """The figures of one shape, by contender."""

    found: dict[str, Measurement] = field(default_factory=dict)
    at_once: dict[str, float] = field(default_factory=dict)  # CPU us a token, side by side


Read = TypeVar("Read")
Contender = Callable[[LoadShape], Awaitable[Measurement]]
Pair = Callable[[LoadShape], Awaitable[dict[str, float]]]


async def run() -> Table:
    shapes = [
        *_read("ROTA_BENCH_STREAMS", "1,50,200,500", read_unpaced),
        *_read("ROTA_BENCH_PACED", "50x60,100x80,150x80", read_paced),
    ]
    _rounds(1)  # an error now rather than after the first minute
    figures = {shape: ShapeFigures() for shape in shapes}
    memory = None
    with peers.install_peers() as homes:
        async with open_environment() as on, _contenders(on) as (ours, pair):
            for shape, told in figures.items():
                told.found = await _measure_in_turn(ours, shape)
                told.at_once = await _measure_pair(pair, shape)
            if os.environ.get("ROTA_BENCH_WATCHERS") != "0":
                memory = await watchers.measure_bytes_per_watcher(on)
            for name, home in homes.items():
                async with peers.serve_peer(name, home, on) as peer:
                    theirs = _peer(on, peer)
                    await theirs(WARM)
                    for shape, told in figures.items():
                        told.found[name] = await _measure_rounds(theirs, shape, PEER_ROUNDS)
        names = [*OURS, *homes]
    rows = [["streams x tokens", "", *names]]
    for shape, told in figures.items():
        rows += shape_rows(shape, told, names)
    if memory is not None:
        what = [f"{watchers.WATCHERS} idle watchers", "KB each", f"{memory / 1000:.1f}"]
        rows.append([*what, *("" for _ in names[1:])])
    return Table(rows, "\n".join(_notes(figures)))


def shape_rows(shape: LoadShape, told: ShapeFigures, names: Sequence[str]) -> list[list[str]]:
    """The rows of a shape; in brackets behind another's figure, ours over it."""
    found = [told.found[name] for name in names]

    def row(what: str, figures: Sequence[float], form: str) -> list[str]:
        beside = ["", *(f" ({format_ratio(figures[0], theirs)})" for theirs in figures[1:])]
        return ["", what, *(f"{a:{form}}{b}" for a, b in zip(figures, beside, strict=True))]

    def quantile_rows(what: str, figures: Sequence[Sequence[float]]) -> list[list[str]]:
        columns = zip(QUANTILES, zip(*figures, strict=True), strict=True)
        return [row(f"{what} p{percent}, ms", column, ".1f") for percent, column in columns]

    rows = [
        row("tokens/s", [one.tokens_per_second for one in found], ".0f"),
        row("CPU/token, us", [one.cpu_micros for one in found], ".0f"),
        _row_at_once(told, names),
        # Beside nothing: the others store little or not here.
        ["", "PostgreSQL CPU/turn, ms", *(f"{one.postgres_ms:.1f}" for one in found)],
    ]
    if shape.delay:
        rows.append(row("worst gap, ms", [one.worst_gap_ms for one in found], ".0f"))
    else:
        rows += quantile_rows("first frame", [one.first_frame_ms for one in found])
        rows += quantile_rows("first text", [one.first_text_ms for one in found])
        if found[0].later_frame_ms:
            rows += quantile_rows("later: first frame", [one.later_frame_ms for one in found])
            rows += quantile_rows("later: first text", [one.later_text_ms for one in found])
    rows[0][0] = str(shape)
    return rows


def _row_at_once(told: ShapeFigures, names: Sequence[str]) -> list[str]:
    ours, alone = told.at_once[ROTA], told.at_once[ALONE]
    cells = {ROTA: f"{ours:.0f}", ALONE: f"{alone:.0f} ({format_ratio(ours, alone)})"}
    return ["", "at the same time", *(cells.get(name, "") for name in names)]


def _notes(figures: dict[LoadShape, ShapeFigures]) -> list[str]:
    busy = [
        note
        for shape, told in figures.items()
        for name, found in told.found.items()
        for note in busy_notes(f"{name}, {shape}", found)
    ]
    return ["PostgreSQL with fsync. In brackets: the service beside it.", *busy]


async def _measure_in_turn(
    contenders: dict[str, Contender], shape: LoadShape
) -> dict[str, Measurement]:
    """The contenders take turns, so that what else the machine does meets all of them."""
    rounds: dict[str, list[Measurement]] = {name: [] for name in contenders}
    for _ in range(_rounds(ROUNDS.get(shape.streams, 1))):
        for name, contender in contenders.items():
            rounds[name].append(await contender(shape))
    return {name: Measurement.median(found) for name, found in rounds.items()}


async def _measure_pair(pair: Pair, shape: LoadShape) -> dict[str, float]:
    found = [await pair(shape) for _ in range(_rounds(PAIR_ROUNDS))]
    return {name: median(each[name] for each in found) for name in (ROTA, ALONE)}


async def _measure_rounds(contender: Contender, shape: LoadShape, count: int) -> Measurement:
    return Measurement.median([await contender(shape) for _ in range(count)])


def _rounds(count: int) -> int:
    return _read("ROTA_BENCH_ROUNDS", str(count), read_count)


def _read(name: str, default: str, read: Callable[[str], Read]) -> Read:
    """Reads an environment variable; ends the program if it can't be read."""
    try:
        return read(os.environ.get(name, default))
    except ValueError as error:
        raise SystemExit(f"{name}: {error}") from None


@contextlib.asynccontextmanager
async def _contenders(on: Environment) -> AsyncIterator[tuple[dict[str, Contender], Pair]]:
    async def order(shape: LoadShape) -> load.LoadSpec:
        return load.LoadSpec(
            kind=ROTA,
            target=on.service,
            threads=await on.threads(shape.turns),
            streams=shape.streams,
            tokens=shape.tokens,
            delay=shape.delay,
            token=on.token(),
        )

    def asked(shape: LoadShape) -> graph_load.GraphSpec:
        return graph_load.GraphSpec(
            database=on.databases.chat,
            model=on.model,
            streams=shape.streams,
            answers=shape.answers,
            tokens=shape.tokens,
            delay=shape.delay,
            warm=WARM.streams,
        )

    async def service(shape: LoadShape) -> Measurement:
        clients = await _start_clients(await order(shape))
        return await _measure_server(on, clients, on.service_pid, shape)

    async def alone(shape: LoadShape) -> Measurement:
        return await _measure_graph(on, "bench.chat.inprocess", asked(shape), shape)

    async def stock(shape: LoadShape) -> Measurement:
        return await _measure_graph(on, "bench.chat.stock", asked(shape), shape)

    async def pair(shape: LoadShape) -> dict[str, float]:
        beside = await _start_graph(
            "bench.chat.inprocess", replace(asked(shape), answers=graph_load.UNTIL_TOLD)
        )
        clients = await _start_clients(await order(shape))
        serving = asyncio.create_task(_measure_server(on, clients, on.service_pid, shape))
        report = load.Report.read(await beside.go(during=serving))
        words = len(report.streams) * shape.tokens
        return {ROTA: (await serving).cpu_micros, ALONE: report.cpu_seconds / words * 1e6}

    await service(WARM)
    yield {ROTA: service, ALONE: alone, STOCK: stock}, pair


def _peer(on: Environment, peer: peers.PeerServer) -> Contender:
    async def answer(shape: LoadShape) -> Measurement:
        order = load.LoadSpec(
            kind=peer.name,
            target=f"127.0.0.1:{peer.port}",
            threads=await peer.threads(shape.turns),
            streams=shape.streams,
            tokens=shape.tokens,
            delay=shape.delay,
            assistant=peer.assistant,
        )
        return await _measure_server(on, await _start_clients(order), peer.pid, shape)

    return answer


async def _start_clients(order: load.LoadSpec) -> list[processes.Worker]:
    return [
        await processes.start_worker("bench.chat.load", orjson.dumps(asdict(one)).decode())
        for one in order.split(2 if order.streams >= SPLIT_STREAMS else 1)
    ]


async def _measure_server(
    on: Environment, clients: Sequence[processes.Worker], pid: int, shape: LoadShape
) -> Measurement:
    before = processes.measure_usage(pid).cpu_seconds
    costs = _Costs.now(on)
    reports = [
        load.Report.read(line) for line in await asyncio.gather(*(one.go() for one in clients))
    ]
    await asyncio.sleep(0.5)  # what is done after the last frame counts too
    cpu_seconds = processes.measure_usage(pid).cpu_seconds - before
    return costs.measurement(on, shape, reports, cpu_seconds=cpu_seconds)


async def _measure_graph(
    on: Environment, module: str, asked: graph_load.GraphSpec, shape: LoadShape
) -> Measurement:
    worker = await _start_graph(module, asked)
    costs = _Costs.now(on)
    report = load.Report.read(await worker.go())
    return costs.measurement(on, shape, [report], cpu_seconds=report.cpu_seconds, clients=False)


async def _start_graph(module: str, asked: graph_load.GraphSpec) -> processes.Worker:
    return await processes.start_worker(module, orjson.dumps(asdict(asked)).decode())


@dataclass(frozen=True, slots=True)
class _Costs:
    """CPU seconds of PostgreSQL and of the model server before a load."""

    postgres: float
    model: float

    @classmethod
    def now(cls, on: Environment) -> "_Costs":
        return cls(measure_cpu(on.server), processes.measure_usage(on.model_pid).cpu_seconds)

    def measurement(
        self,
        on: Environment,
        shape: LoadShape,
        reports: Sequence[load.Report],
        *,
        cpu_seconds: float,
        clients: bool = True,
    ) -> Measurement:
        after = _Costs.now(on)
        return Measurement.of(
            shape,
            reports,
            cpu_seconds=cpu_seconds,
            postgres_seconds=after.postgres - self.postgres,
            model_seconds=after.model - self.model,
            clients=clients,
        )
