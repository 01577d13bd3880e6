"""A request_id is the same request in either case, in every call that has one."""

from typing import Any, Final
from uuid import uuid4

import pytest

from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.support.system.live import METHODS, PUBLIC

WITH_REQUEST_ID: Final = sorted(
    name for name in PUBLIC if "request_id" in METHODS[name].input_type.fields_by_name
)


@pytest.mark.parametrize("method", WITH_REQUEST_ID)
def test_a_request_id_in_capitals_repeats_the_request(stage: Stage, method: str) -> None:
    request, request_id = first_answer(method).make(stage), str(uuid4())
    names = []
    for request.request_id in (request_id, request_id.upper(), request_id):
        names.append(_name(stage.call(method, request)))
    assert len(set(names)) == 1


def _name(answer: Any) -> str:
    """The name of what a call made: of a stream the turn, of a deletion nothing."""
    first = answer[0] if isinstance(answer, list) else answer
    if hasattr(first, "started"):
        return str(first.started.turn)
    return str(getattr(first, "name", ""))
