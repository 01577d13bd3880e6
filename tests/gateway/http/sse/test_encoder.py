"""Messages as server-sent events."""

from google.protobuf import descriptor_pool
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from gateway.http.sse.encoder import SseEncoder

ENCODER = SseEncoder(descriptor_pool.Default())


def test_a_message_is_an_event_with_its_sequence_as_the_id() -> None:
    told = cp.TurnEvent(sequence=7, text_delta=cp.TextDelta(message="m", text="a\nb\r\u2028 é"))
    assert ENCODER.frame(told).decode().split("\n") == [
        "id: 7",
        'data: {"sequence":7,"text_delta":{"message":"m","text":"a\\nb\\r\u2028 é"}}',
        "",
        "",
    ]


def test_a_heartbeat_is_a_comment() -> None:
    for beat in (
        cp.TurnEvent(sequence=7, heartbeat=cp.Heartbeat()),
        ap.RunEvent(sequence=7, heartbeat=ap.RunHeartbeat()),
    ):
        assert ENCODER.frame(beat) == b": heartbeat\n\n"


def test_a_failure_is_an_event_of_its_own_that_moves_no_cursor() -> None:
    assert ENCODER.failure({"code": 14}) == b'event: status\ndata: {"code":14}\n\n'


def test_a_browser_is_told_how_soon_to_come_back() -> None:
    assert ENCODER.opening() == b"retry: 1000\n\n"
