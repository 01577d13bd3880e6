"""Tickets: what one opens, and until when."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rota.chat.v1 import chat_pb2 as cp

from gateway.http.sse import ticket
from gateway.http.sse.ticket import TicketError, TicketExpired, TicketOffice

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
LIFE = timedelta(seconds=60)
PATH = "/rota.chat.v1.ChatService/WatchTurn"
TURN = cp.WatchTurnRequest(name="workspaces/w/threads/t/turns/u", after_sequence=3)
TOKEN = "aaaa.bbbb.cccc"
KEYS = ticket.parse_keys(",".join(ticket.new_key() for _ in range(2)))


def office(after: float = 0, keys: tuple[bytes, ...] = KEYS) -> TicketOffice:
    return TicketOffice(keys=keys, life=LIFE, clock=lambda: NOW + timedelta(seconds=after))


@pytest.fixture(scope="module")
def sealed() -> str:
    return office().seal(TOKEN, PATH, TURN)[0]


def test_a_ticket_opens_its_stream_until_it_expires(sealed: str) -> None:
    assert office().seal(TOKEN, PATH, TURN)[1] == NOW + LIFE
    for after in (0, 30, 59.9):
        assert office(after).open(sealed, PATH, TURN) == TOKEN


def test_a_ticket_may_be_shown_again(sealed: str) -> None:
    one = office()
    assert [one.open(sealed, PATH, TURN) for _ in range(3)] == [TOKEN] * 3


def test_two_tickets_for_one_stream_differ(sealed: str) -> None:
    assert office().seal(TOKEN, PATH, TURN)[0] != sealed


def test_a_ticket_tells_nothing_of_the_token(sealed: str) -> None:
    assert TOKEN not in sealed
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert not any(part.encode() in raw for part in TOKEN.split("."))


OTHERS: dict[str, tuple[str, Any]] = {
    "another call": ("/rota.automation.v1.AutomationService/WatchRun", TURN),
    "another turn": (PATH, cp.WatchTurnRequest(name=TURN.name + "x", after_sequence=3)),
    "another place in it": (PATH, cp.WatchTurnRequest(name=TURN.name, after_sequence=4)),
    "from its beginning": (PATH, cp.WatchTurnRequest(name=TURN.name)),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_ticket_opens_nothing_else(sealed: str, other: str) -> None:
    with pytest.raises(TicketError):
        office().open(sealed, *OTHERS[other])


@pytest.mark.parametrize("after", [60, 60.1, 3600, 1e8])
def test_a_ticket_expires(sealed: str, after: float) -> None:
    with pytest.raises(TicketExpired):
        office(after).open(sealed, PATH, TURN)
    with pytest.raises(TicketError) as refused:
        office(after).open(sealed, *OTHERS["another turn"])
    assert not isinstance(refused.value, TicketExpired)


def test_no_byte_of_a_ticket_may_change(sealed: str) -> None:
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for index in range(len(raw)):
        changed = bytearray(raw)
        changed[index] ^= 1
        with pytest.raises(TicketError):
            office().open(base64.urlsafe_b64encode(changed).decode(), PATH, TURN)
    for length in range(0, len(sealed), 7):
        with pytest.raises(TicketError):
            office().open(sealed[:length], PATH, TURN)


@pytest.mark.parametrize("text", ["", "x", "aaaa", "%", "é", "AQ==" * 20, TOKEN, "=" * 9])
def test_what_is_no_ticket_opens_nothing(text: str) -> None:
    with pytest.raises(TicketError):
        office().open(text, PATH, TURN)


def test_the_first_key_seals_and_all_open(sealed: str) -> None:
    new = ticket.parse_keys(ticket.new_key())
    assert office(keys=(*new, *KEYS)).open(sealed, PATH, TURN) == TOKEN
    for others in (new, KEYS[1:]):
        with pytest.raises(TicketError):
            office(keys=others).open(sealed, PATH, TURN)


@pytest.mark.parametrize("text", ["", "x", "a2V5", "A" * 43 + "=,"])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ticket.parse_keys(text)


def test_the_ticket_is_taken_out_of_the_query() -> None:
    assert ticket.take(b"") == ([], b"")
    assert ticket.take(b"after_sequence=3") == ([], b"after_sequence=3")
    assert ticket.take(b"ticket=t") == (["t"], b"")
    assert ticket.take(b"a=1&ticket=t&b=2&ticket=") == (["t", ""], b"a=1&b=2")


def test_an_office_shows_no_key() -> None:
    assert repr(KEYS[0]) not in repr(office())
