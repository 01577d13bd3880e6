"""Every call of the contract over a real socket: answered, and refused in each documented way."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message
from rota.chat.v1 import chat_pb2
from rota.options.v1 import options_pb2

from tests.contract.rows import Row, fields_of, reason_of
from tests.contract.stage import Stage
from tests.contract.table import NOT_SERVED, READS, ROWS, first_answer
from tests.support.system.live import METHODS, PUBLIC

SECRET: Final[Any] = options_pb2.secret
# The secret of a webhook is shown by the call that makes it.
SHOWN_ONCE: Final = {
    f"AutomationService/{method}": {"rota.automation.v1.Webhook.secret"}
    for method in ("UpdateWebhook", "RotateWebhookSecret")
}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_keeps_its_promise(stage: Stage, row: Row) -> None:
    request = row.make(stage)
    if not row.wants:
        answer = stage.call(row.method, request)
        shown = {name for each in listed(answer) for name in secrets_of(each)}
        assert shown <= SHOWN_ONCE.get(row.method, set())
        assert row.shows is None or row.shows(answer), answer
        return
    status = stage.who.refusal(row.method, request)
    assert reason_of(status) == row.wants, status
    assert [f for f in row.fields if f not in fields_of(status)] == [], status


def listed(answer: Any) -> list[Message]:
    return answer if isinstance(answer, list) else [answer]


def secrets_of(message: Message) -> Iterator[str]:
    """The fields that hold something and are marked as secrets, at every depth."""
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[SECRET]:
            yield field.full_name
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                yield from secrets_of(each)


def test_a_secret_is_found_at_every_depth() -> None:
    model = chat_pb2.ModelConfig(api_key="k", extra_headers={"a": "b"})
    page = chat_pb2.ListModelConfigsResponse(model_configs=[chat_pb2.ModelConfig(), model])
    found = [name.rpartition(".")[2] for name in secrets_of(page)]
    assert found == ["api_key", "extra_headers"]


def test_every_call_of_the_contract_is_in_the_table() -> None:
    answered = {row.method for row in ROWS if not row.wants}
    assert answered | NOT_SERVED == set(METHODS)
    assert not answered & NOT_SERVED
    assert set(METHODS) >= READS


def test_what_is_not_served_says_so(stage: Stage) -> None:
    for method in sorted(NOT_SERVED):
        status = stage.who.refusal(method, stage.empty(method))
        assert reason_of(status) == "NOT_SERVED"


def enum_fields(kind: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The fields of a request that hold an enum, each with the fields that lead to it."""
    for field in kind.fields:
        inner = field.message_type
        if field.enum_type is not None:
            yield (*path, field)
        elif inner is not None and inner.full_name.startswith("rota.") and field not in path:
            yield from enum_fields(inner, (*path, field))


ENUMS: Final = [
    pytest.param(method, path, number, id=f"{method}-{'.'.join(f.name for f in path)}-{number}")
    for method in PUBLIC
    for path in enum_fields(METHODS[method].input_type)
    for number in (-1, 77)
]


@pytest.mark.parametrize(("method", "path", "number"), ENUMS)
def test_a_value_of_an_enum_that_no_version_has_is_ignored_or_refused(
    stage: Stage, method: str, path: tuple[Any, ...], number: int
) -> None:
    request = first_answer(method).make(stage)
    holder: Any = request
    for field in path[:-1]:
        held = getattr(holder, field.name)
        if field.is_repeated:
            held = held[0] if len(held) else held.add()
        holder = held
    if path[-1].is_repeated:
        getattr(holder, path[-1].name).append(number)
    else:
        setattr(holder, path[-1].name, number)
    found = stage.who.live.begin(method, request, stage.who.metadata(method))
    if METHODS[method].server_streaming:
        with contextlib.suppress(grpc.RpcError):  # its code is looked at below
            list(found)
    assert found.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT), found
