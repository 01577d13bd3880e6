"""Every call of the contract over a real socket: answered, and refused in each documented way."""

import pytest

from tests.contract.rows import Row, fields_of, reason_of
from tests.contract.stage import Stage
from tests.contract.table import NOT_SERVED, READS, ROWS
from tests.support.live import METHODS


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_keeps_its_promise(stage: Stage, row: Row) -> None:
    request = row.make(stage)
    if not row.wants:
        answer = stage.call(row.method, request)
        assert row.shows is None or row.shows(answer), answer
        return
    status = stage.who.refusal(row.method, request)
    assert reason_of(status) == row.wants, status
    assert [f for f in row.fields if f not in fields_of(status)] == [], status


def test_every_call_of_the_contract_is_in_the_table() -> None:
    answered = {row.method for row in ROWS if not row.wants}
    assert answered | NOT_SERVED == set(METHODS)
    assert not answered & NOT_SERVED
    assert set(METHODS) >= READS


def test_what_is_not_served_says_so(stage: Stage) -> None:
    for method in sorted(NOT_SERVED):
        status = stage.who.refusal(method, stage.empty(method))
        assert reason_of(status) == "NOT_SERVED"
