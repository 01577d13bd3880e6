"""What a load of a contender tells."""

from dataclasses import replace

import pytest

from bench.chat.load import AnswerTimes, Report
from bench.chat.measurement import Measurement, busy_notes
from bench.chat.shape import LoadShape

SHAPE = LoadShape(streams=4, tokens=10)


def answer(seconds: float) -> AnswerTimes:
    return AnswerTimes(first_frame=seconds, first_text=2 * seconds, worst_gap=seconds, end=1.0)


def measured(*, postgres_seconds: float = 0.02, model_seconds: float = 2.0) -> Measurement:
    reports = [
        Report(began=5.0, ended=7.0, cpu_seconds=1.0, streams=[answer(0.1), answer(0.3)]),
        Report(began=6.0, ended=9.0, cpu_seconds=2.7, streams=[answer(0.2), answer(0.4)]),
    ]
    return Measurement.of(
        SHAPE,
        reports,
        cpu_seconds=0.4,
        postgres_seconds=postgres_seconds,
        model_seconds=model_seconds,
    )


def test_two_clients_are_one_load_from_its_first_beginning_to_its_last_end() -> None:
    found = measured()
    assert found.tokens_per_second == 10.0
    assert found.cpu_micros == pytest.approx(10_000)
    assert found.postgres_ms == pytest.approx(5.0)
    assert found.worst_gap_ms == pytest.approx(400)
    assert found.first_frame_ms == pytest.approx((130, 250, 397))
    assert found.first_text_ms == pytest.approx((260, 500, 794))


def test_later_answers_are_apart_from_those_that_begin_at_once() -> None:
    later = replace(answer(5.0), is_later=True)
    report = Report(began=0.0, ended=1.0, cpu_seconds=0.1, streams=[answer(0.1), later])
    found = Measurement.of(
        SHAPE, [report], cpu_seconds=1.0, postgres_seconds=0.0, model_seconds=0.1
    )
    assert found.first_frame_ms == pytest.approx((100, 100, 100))
    assert found.first_text_ms == pytest.approx((200, 200, 200))
    assert found.later_frame_ms == pytest.approx((5_000, 5_000, 5_000))
    assert found.later_text_ms == pytest.approx((10_000, 10_000, 10_000))


def test_the_hundredths_of_ended_sessions_make_no_figure_below_zero() -> None:
    assert measured(postgres_seconds=-0.01).postgres_ms == 0


def test_a_process_of_the_benchmark_that_fills_a_core_is_named() -> None:
    assert busy_notes("rota, 4 x 10", measured()) == [
        "rota, 4 x 10: the client used 90% of a core and may be the limit."
    ]
    (_, note) = busy_notes("rota, 4 x 10", measured(model_seconds=3.8))
    assert note == "rota, 4 x 10: the model server used 95% of a core and may be the limit."


def test_a_graph_that_reads_its_own_answers_is_not_a_client() -> None:
    report = Report(began=0.0, ended=1.0, cpu_seconds=1.0, streams=[answer(0.1)])
    found = Measurement.of(
        SHAPE, [report], cpu_seconds=1.0, postgres_seconds=0.0, model_seconds=0.1, clients=False
    )
    assert busy_notes("stock, 4 x 10", found) == []


def test_rounds_become_the_median_of_each_figure() -> None:
    one = measured()
    rounds = [
        replace(one, worst_gap_ms=gap, first_text_ms=(1.0, gap, 3.0)) for gap in (9.0, 5.0, 7.0)
    ]
    assert Measurement.median(rounds) == replace(
        one, worst_gap_ms=7.0, first_text_ms=(1.0, 7.0, 3.0)
    )
