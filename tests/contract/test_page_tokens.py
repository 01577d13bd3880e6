"""Page tokens that nobody was given, in every list over a real socket."""

from typing import Any, Final

import grpc
import pytest
from grpc_status import rpc_status

from shared import aip
from tests.contract.rows import fields_of, reason_of
from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.shared.test_aip import FORGED_KEYS
from tests.support.live import METHODS

LISTS: Final = sorted(
    name for name, method in METHODS.items() if "page_token" in method.input_type.fields_by_name
)
# The first and the last key of each kind.
EXTREMES: Final[list[list[object]]] = [
    [0],
    [aip.MAX_KEY_NUMBER],
    [0, ""],
    [aip.MAX_KEY_NUMBER, "\U0010ffff"],
    ["00000000-0000-0000-0000-000000000000"],
    ["ffffffff-ffff-ffff-ffff-ffffffffffff"],
    ["0001-01-01 00:00:00+00:00", "00000000-0000-0000-0000-000000000000"],
    ["9999-12-31 23:59:59.999999+00:00", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
]


@pytest.mark.parametrize("method", LISTS)
def test_a_token_that_was_made_up_is_refused(stage: Stage, method: str) -> None:
    request = first_answer(method).make(stage)
    answered = [key for key in FORGED_KEYS if _is_answered(stage, method, request, key)]
    # Of these keys a list of texts has some.
    assert [key for key in answered if _follow(request, key).read_key(str) is None] == []


@pytest.mark.parametrize("method", LISTS)
def test_a_list_goes_on_after_the_first_and_the_last_key(stage: Stage, method: str) -> None:
    request = first_answer(method).make(stage)
    answered = [key for key in EXTREMES if _is_answered(stage, method, request, key)]
    assert len(answered) == 2


def _is_answered(stage: Stage, method: str, request: Any, key: list[object]) -> bool:
    """A refusal must be that of a page token."""
    continued = type(request)()
    continued.CopyFrom(request)
    continued.page_token = aip.read_page(request).token(key)
    try:
        stage.call(method, continued)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    else:
        return True
    assert status is not None, key
    assert reason_of(status) == "INVALID_REQUEST", (key, status)
    assert fields_of(status) == ["page_token"], (key, status)
    return False


def _follow(request: Any, key: list[object]) -> aip.Page:
    page = aip.read_page(request)
    return aip.Page(size=page.size, after=key, bound_to=page.bound_to)
