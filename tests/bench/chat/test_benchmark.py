"""The benchmark of chat: what chooses its shapes, and the rows of a shape."""

from dataclasses import replace

import pytest

from bench.chat.benchmark import ALONE, ROTA, STOCK, ShapeFigures, run, shape_rows
from bench.chat.measurement import Measurement
from bench.chat.shape import LoadShape

OURS = Measurement(
    tokens_per_second=400.0,
    cpu_micros=30.0,
    postgres_ms=4.0,
    first_frame_ms=(1.0, 2.0, 3.0),
    first_text_ms=(4.0, 5.0, 6.0),
    worst_gap_ms=60.0,
    client_share=0.1,
    model_share=0.1,
)
THEIRS = Measurement(
    tokens_per_second=100.0,
    cpu_micros=60.0,
    postgres_ms=0.0,
    first_frame_ms=(2.0, 4.0, 12.0),
    first_text_ms=(8.0, 10.0, 12.0),
    worst_gap_ms=120.0,
    client_share=0.1,
    model_share=0.1,
)
NAMES = [ROTA, ALONE, STOCK, "aegra"]
TOLD = ShapeFigures(
    found={ROTA: OURS, ALONE: THEIRS, STOCK: THEIRS, "aegra": THEIRS},
    at_once={ROTA: 30.0, ALONE: 20.0},
)


@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_every_shape_tells_throughput_and_cpu(delay: float) -> None:
    rows = shape_rows(LoadShape(streams=3, tokens=8, delay=delay), TOLD, NAMES)
    assert rows[0][0] == ("3 x 8 at 20/s" if delay else "3 x 8")
    assert [row[1:] for row in rows[:4]] == [
        ["tokens/s", "400", *["100 (4.00x)"] * 3],
        ["CPU/token, us", "30", *["60 (0.50x)"] * 3],
        ["at the same time", "30", "20 (1.50x)", "", ""],
        ["PostgreSQL CPU/turn, ms", "4.0", *["0.0"] * 3],
    ]


def test_a_shape_without_a_pace_tells_the_beginning_by_quantile() -> None:
    rows = shape_rows(LoadShape(streams=3, tokens=8), TOLD, NAMES)
    assert [row[1:4] for row in rows[4:]] == [
        ["first frame p10, ms", "1.0", "2.0 (0.50x)"],
        ["first frame p50, ms", "2.0", "4.0 (0.50x)"],
        ["first frame p99, ms", "3.0", "12.0 (0.25x)"],
        ["first text p10, ms", "4.0", "8.0 (0.50x)"],
        ["first text p50, ms", "5.0", "10.0 (0.50x)"],
        ["first text p99, ms", "6.0", "12.0 (0.50x)"],
    ]


def test_a_shape_of_several_answers_a_stream_tells_the_later_ones_apart() -> None:
    ours = replace(OURS, later_frame_ms=(1.0, 2.0, 3.0), later_text_ms=(4.0, 5.0, 6.0))
    theirs = replace(THEIRS, later_frame_ms=(4.0, 4.0, 4.0), later_text_ms=(8.0, 8.0, 8.0))
    told = replace(TOLD, found={ROTA: ours, ALONE: theirs, STOCK: theirs, "aegra": theirs})
    rows = shape_rows(LoadShape(streams=3, tokens=8, answers=2), told, NAMES)
    assert [row[1:4] for row in rows[10:]] == [
        ["later: first frame p10, ms", "1.0", "4.0 (0.25x)"],
        ["later: first frame p50, ms", "2.0", "4.0 (0.50x)"],
        ["later: first frame p99, ms", "3.0", "4.0 (0.75x)"],
        ["later: first text p10, ms", "4.0", "8.0 (0.50x)"],
        ["later: first text p50, ms", "5.0", "8.0 (0.62x)"],
        ["later: first text p99, ms", "6.0", "8.0 (0.75x)"],
    ]


def test_a_paced_shape_tells_the_worst_gap() -> None:
    rows = shape_rows(LoadShape(streams=3, tokens=8, delay=0.05), TOLD, NAMES)
    assert [row[1:] for row in rows[4:]] == [["worst gap, ms", "60", *["120 (0.50x)"] * 3]]


@pytest.mark.parametrize(
    ("name", "said"),
    [("ROTA_BENCH_STREAMS", "many"), ("ROTA_BENCH_PACED", "100"), ("ROTA_BENCH_ROUNDS", "0")],
)
async def test_a_setting_that_cannot_be_read_ends_the_benchmark_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, said)
    with pytest.raises(SystemExit, match=f"^{name}: '{said}' is no"):
        await run()
