"""Quantiles of figures."""

from collections.abc import Sequence
from statistics import quantiles


def quantile(figures: Sequence[float], percent: int) -> float:
    """Returns the figure that `percent` of 100 do not exceed, between neighbours if need be."""
    if len(figures) == 1:
        return figures[0]
    return quantiles(figures, n=100, method="inclusive")[percent - 1]
