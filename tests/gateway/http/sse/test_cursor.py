"""Last-Event-ID."""

import pytest
from rota.chat.v1 import chat_pb2 as cp

from gateway.http.refusal import Refusal
from gateway.http.sse import cursor


@pytest.mark.parametrize(
    ("header", "found"), [("", 0), ("0", 0), ("7", 7), ("007", 7), ("2147483647", 2147483647)]
)
def test_the_header_is_a_sequence(header: str, found: int) -> None:
    assert cursor.parse(header) == found


@pytest.mark.parametrize("header", ["-1", "x", "1.5", "2147483648", "9" * 100, "٣", "1 2"])
def test_anything_else_is_refused_by_its_name(header: str) -> None:
    with pytest.raises(Refusal, match="Last-Event-ID: must be the id of an event"):
        cursor.parse(header)


def test_a_call_with_a_cursor_begins_there() -> None:
    request = cp.WatchTurnRequest(after_sequence=3)
    assert cursor.apply(request, 7) == 0
    assert request.after_sequence == 7
    assert cursor.apply(request, 0) == 0
    assert request.after_sequence == 7


def test_a_call_that_repeats_itself_is_left_out_up_to_there() -> None:
    known = cursor.apply(cp.SendMessageRequest(request_id="r"), 2)
    assert cursor.apply(cp.SendMessageRequest(), 2) == 0  # a new message
    frames = [cp.TurnEvent(sequence=n, text_delta=cp.TextDelta()) for n in (1, 2, 3)]
    assert [cursor.is_known(frame, known) for frame in frames] == [True, True, False]
    assert not cursor.is_known(cp.TurnEvent(sequence=1, heartbeat=cp.Heartbeat()), known)
