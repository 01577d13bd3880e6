"""A slice of `python -m tests.fuzz --door writers`: writes in any order, against a model."""

from tests.contract.stage import Stage
from tests.fuzz.writers import Writers


def test_writers_keep_what_the_contract_promises_in_any_order(stage: Stage) -> None:
    Writers(stage, seed=20261130).write(40)
