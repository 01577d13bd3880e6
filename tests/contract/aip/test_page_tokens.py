"""Page tokens in every list over a real socket."""

from typing import Any, Final

import grpc
import pytest
from grpc_status import rpc_status

from shared import aip
from shared.rpc.page_tokens import PAGE_TOKENS, PageReader
from shared.security.caller import Caller, CallerScope
from tests.contract.rows import fields_of, reason_of
from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.support.system.live import METHODS

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
    for row in EXTREMES:
        assert not _is_answered(stage, method, row, bytes(32))


@pytest.mark.parametrize("method", LISTS)
def test_a_list_goes_on_after_the_first_and_the_last_key(stage: Stage, method: str) -> None:
    schema = "chat" if method.startswith("ChatService/") else "automation"
    [(key,)] = stage.live.execute(
        f"select key from {schema}.signing_keys where name = %s", PAGE_TOKENS
    )
    answered = [row for row in EXTREMES if _is_answered(stage, method, row, bytes(key))]
    assert len(answered) == 2


def _is_answered(stage: Stage, method: str, row: list[object], key: bytes) -> bool:
    """Whether a list goes on after a row. A refusal must be that of a page token."""
    request = first_answer(method).make(stage)
    continued: Any = type(request)()
    continued.CopyFrom(request)
    with CallerScope(Caller(user=stage.who.user)):
        page = PageReader(key=key, clock=stage.live.clock).read(request)
    continued.page_token = page.token(row)
    try:
        stage.call(method, continued)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    else:
        return True
    assert status is not None, row
    assert reason_of(status) == "INVALID_REQUEST", (row, status)
    assert fields_of(status) == ["page_token"], (row, status)
    return False
