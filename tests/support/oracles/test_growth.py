"""How the growth of a call's CPU time is found."""

from collections.abc import Callable

import pytest

from tests.support.oracles.growth import LINEAR, growth, ratio


@pytest.mark.parametrize(
    ("call", "is_linear"),
    [
        (lambda n: sum(range(100 * n)), True),
        (lambda n: sorted(range(100 * n)), True),
        (lambda n: sum(a * b for a in range(n) for b in range(n)), False),
        (lambda n: [list(range(n)).index(a) for a in range(n)], False),
    ],
)
def test_a_quadratic_call_is_told_from_a_linear_one(
    call: Callable[[int], object], is_linear: bool
) -> None:
    assert (growth(call, 100) < LINEAR) == is_linear


def test_a_call_is_compared_with_another() -> None:
    assert ratio(lambda: sum(range(100_000)), lambda: sum(range(1_000))) > 20
