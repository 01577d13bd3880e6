"""Streamed answers: the service, which stores their frames, beside peers.

`in process` runs the same agent without a service, with its checkpoints; the peers serve the
plainest agent of LangGraph there is, made with the stock chat model. Model server, client and
each contender are processes of their own, and all ask the same model server on this machine.

The same code costs a third more CPU while others keep the cores and their caches busy, as client
and database do while a service is measured. So there is a second pair of CPU figures, of service
and agent in process at the same time: as many streams each, side by side from beginning to end.

`ROTA_BENCH_PEERS=0` leaves the peers out, `ROTA_BENCH_STREAMS=1,50` chooses how many at once.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

import orjson

from bench import chat_peers, inprocess, load, processes, watchers
from bench.environment import Environment, open_environment
from bench.table import Table, format_ratio

ROTA: Final = "rota"
ALONE: Final = "in process"
PACE_SECONDS: Final = 0.05
# Tokens of each answer, by how many are streamed at once.
TOKENS: Final = {1: 1000, 50: 300, 200: 300, 500: 300}
# Answers that each stream gives, one after another.
ANSWERS: Final = {1: 30, 50: 4}
ROUNDS: Final = {1: 3, 50: 3, 200: 2, 500: 1}
PAIR_ROUNDS: Final = 3
PEER_ROUNDS: Final = 1
PACED: Final = (50, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadShape:
    streams: int
    tokens: int
    answers: int = 1
    delay: float = 0.0

    @property
    def words(self) -> int:
        return self.streams * self.answers * self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    tokens_per_second: float
    cpu_micros: float  # of the contender's processes, for each token
    first_frame_ms: float
    first_text_ms: float
    worst_gap_ms: float


Contender = Callable[[LoadShape], Awaitable[Measurement]]
Pair = Callable[[LoadShape], Awaitable[dict[str, float]]]


async def run() -> Table:
    counts = [int(n) for n in os.environ.get("ROTA_BENCH_STREAMS", "1,50,200,500").split(",")]
    shapes = [
        LoadShape(streams=n, tokens=TOKENS.get(n, 100), answers=ANSWERS.get(n, 1)) for n in counts
    ]
    paced = LoadShape(streams=PACED[0], tokens=PACED[1], delay=PACE_SECONDS)
    with chat_peers.install_peers() as homes:
        async with open_environment() as on, _contenders(on) as (ours, pair):
            found = {shape: await _ours(ours, shape) for shape in shapes}
            at_once = {shape: await _at_once(pair, shape) for shape in shapes}
            gaps = {ROTA: (await ours[ROTA](paced)).worst_gap_ms}
            memory = await watchers.measure_bytes_per_watcher(on)
            for name, home in homes.items():
                async with chat_peers.serve_peer(name, home, on) as peer:
                    theirs = _peer(peer)
                    await theirs(LoadShape(streams=5, tokens=20))
                    for shape in shapes:
                        found[shape][name] = await _rounds(theirs, shape, PEER_ROUNDS)
                    gaps[name] = (await theirs(paced)).worst_gap_ms
    rows = [["streams x tokens", "", ROTA, ALONE, *homes]]
    for shape, figures in found.items():
        rows += _rows(shape, figures, at_once[shape], [ROTA, ALONE, *homes])
    rows.append(
        [
            f"{PACED[0]} paced at {1 / PACE_SECONDS:.0f}/s",
            "worst gap, ms",
            f"{gaps[ROTA]:.0f}",
            "",
            *(f"{gaps[name]:.0f}" for name in homes),
        ]
    )
    rows.append(
        [
            f"{watchers.WATCHERS} idle watchers",
            "KB each",
            f"{memory / 1000:.1f}",
            "",
            *("" for _ in homes),
        ]
    )
    return Table(rows, "PostgreSQL with fsync. In brackets: the service beside it.")


def _rows(
    shape: LoadShape, figures: dict[str, Measurement], at_once: dict[str, float], names: list[str]
) -> list[list[str]]:
    ours = figures[ROTA]
    side_by_side = format_ratio(at_once[ROTA], at_once[ALONE])

    def row(label: str, what: str, of: Callable[[Measurement], float], form: str) -> list[str]:
        cells = [f"{of(figures[name]):{form}}" for name in names]
        beside = ["", *(f" ({format_ratio(of(ours), of(figures[name]))})" for name in names[1:])]
        return [label, what, *(a + b for a, b in zip(cells, beside, strict=True))]

    return [
        row(
            f"{shape.streams} x {shape.tokens}",
            "tokens/s",
            lambda f: f.tokens_per_second,
            ".0f",
        ),
        row("", "CPU/token, us", lambda f: f.cpu_micros, ".0f"),
        [
            "",
            "at the same time",
            f"{at_once[ROTA]:.0f}",
            f"{at_once[ALONE]:.0f} ({side_by_side})",
            *("" for _ in names[2:]),
        ],
        row("", "first frame, ms", lambda f: f.first_frame_ms, ".1f"),
        row("", "first text, ms", lambda f: f.first_text_ms, ".1f"),
    ]


async def _ours(ours: dict[str, Contender], shape: LoadShape) -> dict[str, Measurement]:
    """The contenders take turns, so that what else the machine does meets all of them."""
    rounds: dict[str, list[Measurement]] = {name: [] for name in ours}
    for _ in range(ROUNDS.get(shape.streams, 1)):
        for name, contender in ours.items():
            rounds[name].append(await contender(shape))
    return {name: _median(figures) for name, figures in rounds.items()}


async def _at_once(pair: Pair, shape: LoadShape) -> dict[str, float]:
    rounds = [await pair(shape) for _ in range(PAIR_ROUNDS)]
    return {name: median(each[name] for each in rounds) for name in (ROTA, ALONE)}


async def _rounds(contender: Contender, shape: LoadShape, count: int) -> Measurement:
    return _median([await contender(shape) for _ in range(count)])


def _median(figures: list[Measurement]) -> Measurement:
    names = Measurement.__dataclass_fields__
    return Measurement(**{name: median(getattr(f, name) for f in figures) for name in names})


@contextlib.asynccontextmanager
async def _contenders(on: Environment) -> AsyncIterator[tuple[dict[str, Contender], Pair]]:
    async def order(shape: LoadShape) -> load.LoadSpec:
        return load.LoadSpec(
            kind=ROTA,
            target=on.service,
            threads=await on.threads(shape.streams * shape.answers),
            streams=shape.streams,
            tokens=shape.tokens,
            delay=shape.delay,
            token=on.token(),
        )

    async def service(shape: LoadShape) -> Measurement:
        return await _measure_load(await order(shape), on.service_pid, shape)

    async def in_process(shape: LoadShape, answers: int) -> processes.Worker:
        asked = inprocess.GraphSpec(
            database=on.databases.chat,
            model=on.model,
            streams=shape.streams,
            answers=answers,
            tokens=shape.tokens,
            delay=shape.delay,
            warm=5,
        )
        return await processes.start_worker("bench.inprocess", orjson.dumps(asdict(asked)).decode())

    async def alone(shape: LoadShape) -> Measurement:
        report = orjson.loads(await (await in_process(shape, shape.answers)).go())
        return _figure(report, report["cpu_seconds"], shape)

    async def pair(shape: LoadShape) -> dict[str, float]:
        beside = await in_process(shape, inprocess.UNTIL_TOLD)
        serving = asyncio.create_task(_measure_load(await order(shape), on.service_pid, shape))
        report = orjson.loads(await beside.go(during=serving))
        words = len(report["streams"]) * shape.tokens
        return {
            ROTA: (await serving).cpu_micros,
            ALONE: report["cpu_seconds"] / words * 1e6,
        }

    await service(LoadShape(streams=5, tokens=20))
    yield {ROTA: service, ALONE: alone}, pair


def _peer(peer: chat_peers.PeerServer) -> Contender:
    async def answer(shape: LoadShape) -> Measurement:
        order = load.LoadSpec(
            kind=peer.name,
            target=f"127.0.0.1:{peer.port}",
            threads=await peer.threads(shape.streams * shape.answers),
            streams=shape.streams,
            tokens=shape.tokens,
            delay=shape.delay,
            assistant=peer.assistant,
        )
        return await _measure_load(order, peer.pid, shape)

    return answer


async def _measure_load(order: load.LoadSpec, pid: int, shape: LoadShape) -> Measurement:
    process = await processes.start_worker("bench.load", orjson.dumps(asdict(order)).decode())
    before = processes.measure_usage(pid).cpu_seconds
    report = orjson.loads(await process.go())
    await asyncio.sleep(0.5)  # what is done after the last frame counts too
    return _figure(report, processes.measure_usage(pid).cpu_seconds - before, shape)


def _figure(report: dict[str, Any], cpu_seconds: float, shape: LoadShape) -> Measurement:
    streams = report["streams"]
    return Measurement(
        tokens_per_second=shape.words / report["seconds"],
        cpu_micros=cpu_seconds / shape.words * 1e6,
        first_frame_ms=median(s["first_frame"] for s in streams) * 1000,
        first_text_ms=median(s["first_text"] for s in streams) * 1000,
        worst_gap_ms=max(s["worst_gap"] for s in streams) * 1000,
    )
