"""What a stream promises, cut wherever: the frames after it are the very frames, byte for byte."""

import random
from typing import Any, Final

import pytest
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from tests.contract.stage import Stage, new_id
from tests.support.system.chat import approve
from tests.support.system.live import Live

SEED: Final = 20261122
TERMINAL: Final = {"completed", "suspended", "failed", "cancelled"}
LONG: Final = "hello <<tokens=120;delay=0.004>>"
SEND: Final = "ChatService/SendMessage"
WATCH: Final = "ChatService/WatchTurn"


def kind(frame: bytes) -> str:
    return cp.TurnEvent.FromString(frame).WhichOneof("event") or ""


def sequence(frame: bytes) -> int:
    return int(cp.TurnEvent.FromString(frame).sequence)


def read(call: Any, most: int = 10**9) -> list[bytes]:
    """The first frames of a call, without heartbeats; what is left of it is cut off."""
    found: list[bytes] = []
    for frame in call:
        if kind(frame) != "heartbeat":
            found.append(frame)
        if len(found) == most:
            break
    call.cancel()
    return found


def watched(stage: Stage, turn: str, after: int, address: str) -> list[bytes]:
    request = cp.WatchTurnRequest(name=turn, after_sequence=after)
    return read(stage.live.begin(WATCH, request, stage.who.metadata(), address))


@pytest.fixture(scope="module")
def told(stage: Stage) -> tuple[str, list[bytes]]:
    """A turn of two segments, with an approval between them, and all its frames."""
    wanted = stage.asked()
    first = watched(stage, wanted.turn, 0, stage.live.chat)
    resume = stage.resuming(wanted, approve(wanted))
    second = stage.live.raw("ChatService/ResumeTurn", resume, stage.who.metadata())
    return wanted.turn, [*first, *(f for f in second if kind(f) != "heartbeat")]


def test_frames_are_numbered_without_gaps_over_all_segments(told: Any) -> None:
    _, frames = told
    assert [sequence(frame) for frame in frames] == list(range(1, len(frames) + 1))


def test_a_segment_begins_with_its_ids_and_ends_with_its_only_terminal_frame(told: Any) -> None:
    _, frames = told
    kinds = [kind(frame) for frame in frames]
    ends = [i for i, k in enumerate(kinds) if k in TERMINAL]
    begins = [i for i, k in enumerate(kinds) if k == "started"]
    assert [kinds[i] for i in ends] == ["suspended", "completed"]
    assert begins == [0, ends[0] + 1]
    assert kinds[1] == "step"
    for end in ends:
        assert kinds[end - 1] == "usage"


@pytest.mark.parametrize("cut", range(8))
def test_frames_after_any_cut_are_the_very_frames_on_every_replica(
    stage: Stage, told: Any, cut: int
) -> None:
    turn, frames = told
    after = random.Random(SEED + cut).randrange(len(frames))
    ends = next(i for i in range(after, len(frames)) if kind(frames[i]) in TERMINAL) + 1
    for replica in (stage.live.chat, stage.live.other_chat):
        assert watched(stage, turn, after, replica) == frames[after:ends]


def test_from_the_last_frame_of_a_finished_turn_there_is_nothing(stage: Stage, told: Any) -> None:
    turn, frames = told
    for replica in (stage.live.chat, stage.live.other_chat):
        assert watched(stage, turn, len(frames), replica) == []


@pytest.mark.parametrize("cut", range(5))
def test_a_turn_that_is_cut_again_and_again_while_it_is_told_loses_nothing(
    stage: Stage, cut: int
) -> None:
    dice = random.Random(SEED * (cut + 1))
    request = stage.saying(LONG)
    call = stage.live.begin(SEND, request, stage.who.metadata())
    heard = read(call, dice.randint(1, 6))
    turn = cp.TurnEvent.FromString(heard[0]).started.turn
    while kind(heard[-1]) not in TERMINAL:
        replica = dice.choice([stage.live.chat, stage.live.other_chat])
        watch = cp.WatchTurnRequest(name=turn, after_sequence=sequence(heard[-1]))
        call = stage.live.begin(WATCH, watch, stage.who.metadata(), replica)
        heard += read(call, dice.randint(1, 9))
    assert heard == watched(stage, turn, 0, stage.live.chat)
    assert [sequence(frame) for frame in heard] == list(range(1, len(heard) + 1))


def test_a_repeated_message_replays_its_own_segment(stage: Stage) -> None:
    request = stage.saying("hello")
    first = stage.live.raw(SEND, request, stage.who.metadata())
    assert stage.live.raw(SEND, request, stage.who.metadata()) == first
    assert stage.live.raw(SEND, request, stage.who.metadata(), stage.live.other_chat) == first


def test_a_repeated_decision_replays_its_own_segment(stage: Stage) -> None:
    wanted = stage.asked()
    request = stage.resuming(wanted, approve(wanted))
    method, metadata = "ChatService/ResumeTurn", stage.who.metadata()
    first = stage.live.raw(method, request, metadata)
    assert stage.live.raw(method, request, metadata) == first
    # Decided the same way under another id, it is the same segment too.
    request.request_id = new_id()
    assert stage.live.raw(method, request, metadata) == first


def test_from_suspended_it_waits_for_the_next_segment(stage: Stage) -> None:
    wanted = stage.asked()
    last = stage.call("ChatService/GetTurn", cp.GetTurnRequest(name=wanted.turn)).last_sequence
    request = cp.WatchTurnRequest(name=wanted.turn, after_sequence=last)
    waits = stage.live.begin(WATCH, request, stage.who.metadata(), stage.live.other_chat)
    resume = stage.resuming(wanted, approve(wanted))
    resumed = stage.live.raw("ChatService/ResumeTurn", resume, stage.who.metadata())
    assert read(waits) == resumed


@pytest.mark.parametrize("cut", range(3))
def test_the_history_of_a_run_is_the_same_from_anywhere(stage: Stage, cut: int) -> None:
    method, metadata = "AutomationService/WatchRun", stage.who.metadata()
    whole = stage.live.raw(method, ap.WatchRunRequest(name=stage.run.name), metadata)
    events = [ap.RunEvent.FromString(frame) for frame in whole]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.WhichOneof("event") for event in events][-1] == "ended"
    after = random.Random(SEED + cut).randrange(len(whole) + 1)
    request = ap.WatchRunRequest(name=stage.run.name, after_sequence=after)
    assert stage.live.raw(method, request, metadata) == whole[after:]


def test_a_task_is_told_again_as_it_was(live: Live, stage: Stage) -> None:
    request, method = stage.task(), "AgentService/RunTask"
    first = stage.live.raw(method, request, stage.who.metadata(method))
    assert live.raw(method, request, stage.who.metadata(method), live.other_chat) == first
