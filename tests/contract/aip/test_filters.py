"""Every list takes the same filters over a real socket."""

from typing import Any, Final

import grpc
import pytest
from grpc_status import rpc_status

from tests.contract.rows import fields_of, reason_of
from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.support.system.live import METHODS

LISTS: Final = sorted(
    name for name, method in METHODS.items() if "filter" in method.input_type.fields_by_name
)
TIMES: Final = {"AutomationService/ListSlots": "slot_time"}
STATES: Final = {"AutomationService/ListSlots": "outcome", "ChatService/ListThreads": "create_time"}
LONG_AGO: Final = "1000-01-01T00:00:00Z"


def asked(stage: Stage, method: str, text: str) -> Any:
    request = first_answer(method).make(stage)
    request.filter = text
    return stage.call(method, request)


def count(answer: Any) -> int:
    [rows] = [value for field, value in answer.ListFields() if field.is_repeated] or [[]]
    return len(rows)


@pytest.mark.parametrize("method", LISTS)
def test_parts_of_a_filter_are_joined_as_aip_160_says(stage: Stage, method: str) -> None:
    time = TIMES.get(method, "create_time")
    some, none = f"{time} > {LONG_AGO}", f"{time} <= {LONG_AGO}"
    whole = count(asked(stage, method, some))
    assert whole > 0
    assert count(asked(stage, method, none)) == 0
    assert count(asked(stage, method, f"{some} AND {none}")) == 0
    joined = count(asked(stage, method, f"NOT ({none}) AND {none} OR {some}"))
    # A list may grow meanwhile: what waits comes to the inbox a moment later.
    assert whole <= joined <= count(asked(stage, method, some))
    assert count(asked(stage, method, f"{none} AND {some} OR {some}")) == 0


@pytest.mark.parametrize("method", LISTS)
def test_what_is_no_filter_is_refused_in_every_list(stage: Stage, method: str) -> None:
    time, state = TIMES.get(method, "create_time"), STATES.get(method, "state")
    for text in (
        f"{state} = pending",
        f"{state} = LOST",
        f"{state}:PENDING",
        f"{time} > 2026-W01-1T00:00:00Z",
        f"{time} > 2026-01-01",
        "colour = red",
        "PENDING",
        f"({time} > {LONG_AGO}",
        f"{time} > {LONG_AGO} AND",
        f"{time} > {LONG_AGO} and {time} > {LONG_AGO}",
    ):
        with pytest.raises(grpc.RpcError) as caught:
            asked(stage, method, text)
        status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
        assert status is not None, text
        assert (reason_of(status), fields_of(status)) == ("INVALID_REQUEST", ["filter"]), text


def test_slots_are_found_by_the_id_and_by_the_name_of_their_trigger(stage: Stage) -> None:
    method = "AutomationService/ListSlots"
    parent = first_answer(method).make(stage).parent
    by_id = count(asked(stage, method, "trigger = t"))
    assert by_id == count(asked(stage, method, f'trigger = "{parent}/triggers/t"')) > 0
    assert count(asked(stage, method, "trigger != t")) == 0
    for other in (
        f"{parent}x/triggers/t",
        f"{parent}/runs/t",
        "a/b",
        "nosuch",
        f"{parent}/triggers/x",
    ):
        with pytest.raises(grpc.RpcError) as caught:
            asked(stage, method, f'trigger = "{other}"')
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
