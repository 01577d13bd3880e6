"""A turn read over broken connections is the turn that was told."""

import asyncio
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import grpc
import pytest

from rota_client import RotaClient, approve, errors
from rota_client.calls import RetryPolicy
from rota_client.streams import frame_kind
from tests.clients.frames import approval, called, completed, suspended, text, unknown
from tests.clients.peer import TOKEN, Peer
from tests.clients.scripted_chat import WORKSPACE, Cut, How, Refused

WORDS = ["Good ", "morning", ", ", "Ada", "."]


def told() -> list[Any]:
    return [*(text(word) for word in WORDS), completed()]


async def read(stream: Any) -> list[Any]:
    async with aclosing(stream) as events:
        return [event async for event in events]


def names(peer: Peer) -> list[str]:
    return [name for name, _ in peer.chat.calls]


async def test_a_turn_is_read_from_its_first_frame_to_its_terminal_one(
    rota: RotaClient, peer: Peer
) -> None:
    peer.chat.segments.append(told())
    events = await read(rota.send_message("hello", thread="t", time_zone="Europe/Paris"))
    assert [frame_kind(e) for e in events] == ["started", *["text_delta"] * 5, "completed"]
    assert [e.sequence for e in events] == [1, 2, 3, 4, 5, 6, 7]
    (_, request), *more = peer.chat.calls
    assert more == []
    assert request.name == f"{WORKSPACE}/threads/t"
    assert request.message.parts[0].text == "hello"
    assert request.time_zone == "Europe/Paris"
    assert peer.chat.tokens == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("how", ["reset", "unavailable", "ended"])
@pytest.mark.parametrize("after", range(7))
async def test_a_cut_stream_loses_no_frame_and_repeats_none(
    rota: RotaClient, peer: Peer, after: int, how: How
) -> None:
    peer.chat.segments.append(told())
    peer.chat.cuts.append(Cut(after=after, how=how))
    events = await read(rota.send_message("hello"))
    assert [e.sequence for e in events] == [1, 2, 3, 4, 5, 6, 7]
    assert "".join(e.text_delta.text for e in events if e.text_delta) == "".join(WORDS)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "a later Ctrl-C would end as a cancelled task"


async def test_a_stream_cut_at_every_frame_still_comes_whole(rota: RotaClient, peer: Peer) -> None:
    peer.chat.segments.append(told())
    peer.chat.cuts.extend(Cut(after=1, how="unavailable") for _ in range(7))
    events = await read(rota.send_message("hello"))
    assert [e.sequence for e in events] == [1, 2, 3, 4, 5, 6, 7]
    watched = [r.after_sequence for name, r in peer.chat.calls if name == "WatchTurn"]
    assert watched == [1, 2, 3, 4, 5, 6]


async def test_a_message_that_got_no_frame_is_sent_again_word_for_word(
    rota: RotaClient, peer: Peer
) -> None:
    peer.chat.segments.append(told())
    peer.chat.cuts.extend([Cut(after=0), Cut(after=0, how="unavailable")])
    await read(rota.send_message("hello"))
    assert names(peer) == ["SendMessage"] * 3
    assert all(a == b for a, b in pairwise(request for _, request in peer.chat.calls))
    assert len(peer.chat.turns) == 1


async def test_a_resumed_turn_goes_on_from_the_frame_it_was_cut_at(
    rota: RotaClient, peer: Peer
) -> None:
    wanted = approval()
    peer.chat.approvals[wanted.name] = wanted
    peer.chat.segments.extend([[called("create_automation"), suspended(wanted)], told()])
    first = await read(rota.send_message("every day"))
    assert frame_kind(first[-1]) == "suspended"
    peer.chat.cuts.extend([Cut(after=0), Cut(after=3, how="unavailable"), Cut(after=2)])
    decision = approve(first[-1].suspended.approvals[0])
    events = await read(rota.resume_turn("t/turns/u1", [decision]))
    assert [e.sequence for e in events] == [4, 5, 6, 7, 8, 9, 10]
    assert events[0].started.resumed
    assert names(peer).count("ResumeTurn") == 2


async def test_a_turn_can_be_watched_from_any_frame(rota: RotaClient, peer: Peer) -> None:
    peer.chat.segments.append(told())
    await read(rota.send_message("hello"))
    events = await read(rota.watch_turn("t/turns/u1", after_sequence=4))
    assert [e.sequence for e in events] == [5, 6, 7]


async def test_watching_from_the_end_of_a_finished_turn_ends_at_once(
    rota: RotaClient, peer: Peer
) -> None:
    peer.chat.segments.append(told())
    await read(rota.send_message("hello"))
    assert await read(rota.watch_turn("t/turns/u1", after_sequence=7)) == []


async def test_unknown_frames_are_skipped_and_counted(rota: RotaClient, peer: Peer) -> None:
    peer.chat.segments.append([text("a"), unknown(), text("b"), completed()])
    peer.chat.cuts.append(Cut(after=3, how="ended"))
    events = await read(rota.send_message("hello"))
    assert [e.sequence for e in events] == [1, 2, 4, 5]
    assert peer.chat.calls[-1][1].after_sequence == 3


async def test_a_refusal_is_told_at_once_and_not_tried_again(rota: RotaClient, peer: Peer) -> None:
    busy = f"{WORKSPACE}/threads/t/turns/u9"
    peer.chat.refusals.append(
        Refused(grpc.StatusCode.FAILED_PRECONDITION, "TURN_IN_PROGRESS", metadata={"turn": busy})
    )
    with pytest.raises(errors.FailedPrecondition) as refused:
        await read(rota.send_message("hello"))
    assert refused.value.reason == "TURN_IN_PROGRESS"
    assert refused.value.metadata == {"turn": busy}
    assert names(peer) == ["SendMessage"]


async def test_patience_ends(peer: Peer) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    peer.chat.refusals.extend(
        Refused(grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE", retry_seconds=3)
        for _ in range(20)
    )
    tried: list[str] = []
    retry_policy = RetryPolicy(
        give_up_after=30,
        sleep=note,
        # Time passes only while it waits, so that it never has waited for too long already.
        clock=lambda: sum(waits),
        on_retry=lambda failure: tried.append(failure.reason),
    )
    async with RotaClient(peer.address, TOKEN, WORKSPACE, retry_policy=retry_policy) as rota:
        with pytest.raises(errors.Unavailable):
            await read(rota.send_message("hello"))
    assert min(waits) >= 3
    assert sum(waits) >= 30
    assert set(tried) == {"SERVICE_UNAVAILABLE"}


async def test_a_silent_connection_counts_as_lost(peer: Peer) -> None:
    peer.chat.segments.append([text("a")])
    retry_policy = RetryPolicy(give_up_after=0, silence=0.3)
    async with RotaClient(peer.address, TOKEN, WORKSPACE, retry_policy=retry_policy) as rota:
        peer.chat.quiet = True
        with pytest.raises(errors.Unavailable, match="said nothing"):
            await read(rota.send_message("hello"))


async def test_a_connection_that_is_lost_again_and_again_is_not_asked_without_a_rest(
    peer: Peer,
) -> None:
    rests: list[float] = []

    async def note(seconds: float) -> None:
        rests.append(seconds)

    peer.chat.segments.append(told())
    # a heartbeat goes before each frame, so each of these answers and brings nothing
    peer.chat.cuts.append(Cut(after=1, how="unavailable"))
    peer.chat.cuts.extend(Cut(after=0, how="heartbeat") for _ in range(4))
    retry_policy = RetryPolicy(give_up_after=0, first_wait=0.1, longest_wait=1, sleep=note)
    async with RotaClient(peer.address, TOKEN, WORKSPACE, retry_policy=retry_policy) as rota:
        events = await read(rota.send_message("hello"))
    assert [e.sequence for e in events] == [1, 2, 3, 4, 5, 6, 7]
    assert rests == [0.2, 0.4, 0.8, 1]


async def test_a_lost_frame_is_asked_for_again(rota: RotaClient, peer: Peer) -> None:
    peer.chat.segments.append(told())
    peer.chat.cuts.append(Cut(after=3, how="gap"))
    events = await read(rota.send_message("hello"))
    assert [e.sequence for e in events] == [1, 2, 3, 4, 5, 6, 7]
    assert [r.after_sequence for n, r in peer.chat.calls if n == "WatchTurn"] == [3]


async def test_a_stream_that_is_left_early_is_cancelled(rota: RotaClient, peer: Peer) -> None:
    peer.chat.segments.append([text("a")])
    async with aclosing(rota.send_message("hello")) as events:
        async for event in events:
            if event.text_delta:
                break
    assert await asyncio.to_thread(peer.chat.left.wait, 60)


async def test_a_stream_that_ended_was_not_left(peer: Peer) -> None:
    patient = RetryPolicy(farewell=60.0)
    peer.chat.segments.append(told())
    async with RotaClient(peer.address, TOKEN, WORKSPACE, retry_policy=patient) as rota:
        await read(rota.send_message("hello"))
        assert (await rota.get_turn("t/turns/u1")).last_sequence == 7
    assert not peer.chat.left.is_set()


async def test_nobody_there_is_unavailable() -> None:
    retry_policy = RetryPolicy(give_up_after=0)
    async with RotaClient("127.0.0.1:9", TOKEN, WORKSPACE, retry_policy=retry_policy) as rota:
        with pytest.raises(errors.Unavailable, match=r"nothing answers at 127\.0\.0\.1:9"):
            await rota.connect()
        with pytest.raises(errors.Unavailable):
            await read(rota.send_message("hello"))
