"""Tokens of pages: whom and what they hold for."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rota.chat.v1 import chat_pb2 as pb

from shared import errors
from shared.clock import ManualClock
from shared.rpc.page_tokens import TOKEN_LIFE, PageReader
from shared.security.caller import Caller, CallerScope

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def ann() -> Iterator[None]:
    with CallerScope(Caller(user="ann")):
        yield


def reader(key: bytes = KEY, now: datetime = START) -> PageReader:
    return PageReader(key=key, clock=ManualClock(now))


def request(**fields: Any) -> pb.ListTurnsRequest:
    return pb.ListTurnsRequest(**{"parent": "a", "filter": "b", **fields})


def token() -> str:
    return reader().read(request()).token(["2026", "id"])


def test_a_page_is_fifty_and_at_most_two_hundred() -> None:
    assert [reader().read(request(page_size=size)).size for size in (0, 7, 999)] == [50, 7, 200]


def test_a_token_gives_back_the_key_it_was_made_of_whatever_the_size_of_the_page() -> None:
    found = reader().read(request(page_token=token(), page_size=3))
    assert found.after == ["2026", "id"]


def refused(token: str, asked: Any = None, by: PageReader | None = None) -> str:
    asked = asked or request()
    asked.page_token = token
    with pytest.raises(errors.InvalidRequest) as caught:
        (by or reader()).read(asked)
    [violation] = caught.value.violations
    assert violation.field == "page_token"
    return violation.description


@pytest.mark.parametrize(
    "asked",
    [
        request(parent="other"),
        request(filter="other"),
        request(filter=""),
        pb.ListApprovalsRequest(parent="a", filter="b"),
    ],
    ids=lambda asked: f"{asked.DESCRIPTOR.name} {asked.parent} {asked.filter}",
)
def test_a_token_of_other_arguments_or_of_another_method_is_refused(asked: Any) -> None:
    assert "other arguments" in refused(token(), asked)


def test_a_token_of_another_caller_or_another_service_is_refused() -> None:
    given = token()
    with CallerScope(Caller(user="bob")):
        assert "another caller" in refused(given)
    assert "another caller" in refused(given, by=reader(bytes(32)))


def test_a_token_ends_after_three_days_with_the_way_on() -> None:
    last = reader(now=START + TOKEN_LIFE - timedelta(seconds=1))
    assert last.read(request(page_token=token())).after == ["2026", "id"]
    told = refused(token(), by=reader(now=START + TOKEN_LIFE))
    assert told == "ended at 2026-01-04T00:00:00Z; begin again with the first page"


MADE_UP = ["!!!", "bm9uc2Vuc2U", "e30", "AQ", "Ag" * 40, "AQ" * 40, "ü", "=", " ", "A", "\ud7ff"]


@pytest.mark.parametrize("made_up", MADE_UP)
def test_a_token_of_nobody_is_refused(made_up: str) -> None:
    refused(made_up)


@given(st.data())
def test_no_bit_of_a_token_can_change(data: st.DataObject) -> None:
    given = bytearray(base64.urlsafe_b64decode(token() + "=="))
    given[data.draw(st.integers(0, len(given) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refused(base64.urlsafe_b64encode(bytes(given)).decode().rstrip("="))


@given(st.text(max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    if text:
        refused(text)
