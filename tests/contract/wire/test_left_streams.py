"""Callers who leave a stream at any moment: the turn goes on, and the log has no traceback."""

import pytest
from rota.chat.v1 import chat_pb2 as cp

from tests.contract.stage import Stage
from tests.support.system.live import Live

# Frames that are read before the caller leaves.
MOMENTS = (0, 1, 2, 4, 7)


def faults(live: Live) -> list[str]:
    """What the services logged with a traceback."""
    logs = list(live.folder.glob("*_service-*.log"))
    assert logs
    lines = [line for path in logs for line in path.read_text().splitlines()]
    return [line for line in lines if "Traceback" in line or '"exception"' in line]


@pytest.mark.parametrize("frames", MOMENTS)
def test_a_stream_that_is_left_logs_no_traceback(stage: Stage, live: Live, frames: int) -> None:
    before = faults(live)
    message = stage.saying("hello <<tokens=40>>")
    metadata = stage.who.metadata()
    sent = live.begin("ChatService/SendMessage", message, metadata)
    for _ in range(frames):
        next(sent)
    sent.cancel()
    again = stage.call("ChatService/SendMessage", message)
    turn = again[0].started.turn
    watched = live.begin("ChatService/WatchTurn", cp.WatchTurnRequest(name=turn), metadata)
    for _ in range(min(frames, len(again) - 1)):
        next(watched)
    watched.cancel()
    task = live.begin("AgentService/RunTask", stage.task(), stage.who.metadata("AgentService/"))
    for _ in range(min(frames, 1)):
        next(task)
    task.cancel()
    assert faults(live) == before
