"""Quantiles of figures."""

import pytest

from bench.quantiles import quantile


@pytest.mark.parametrize(
    ("figures", "percent", "expected"),
    [
        ([7.0], 99, 7.0),
        ([1.0, 2.0], 50, 1.5),
        ([float(n) for n in range(101)], 10, 10.0),
        ([float(n) for n in range(101)], 99, 99.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
    ],
)
def test_a_quantile_lies_between_its_neighbours(
    figures: list[float], percent: int, expected: float
) -> None:
    assert quantile(figures, percent) == pytest.approx(expected)
