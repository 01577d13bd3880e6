"""Streams that are open: asked for their access all at once, and ended where it is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared import errors
from shared.rpc.server.open_streams import OpenStream, OpenStreams
from shared.security.caller import LEEWAY, Caller, CallerScope, Grant, Membership

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER = Membership(role="editor", source="sign_in")


class Members:
    """The memberships that there are, and how often somebody asked."""

    def __init__(self, found: dict[tuple[str, str], Membership]) -> None:
        self.found = found
        self.asked: list[set[tuple[str, str]]] = []

    async def find(self, asked: set[tuple[str, str]]) -> dict[tuple[str, str], Membership]:
        self.asked.append(asked)
        return self.found


def scope(user: str = "ada", *, role: str = "viewer", expires: datetime = NOW) -> CallerScope:
    who = Caller(user=user, workspaces={"w": "owner"}, expire_time=expires)
    grant = Grant(name="workspaces/w/threads/t", workspace="w", role=role)
    return CallerScope(who, {"w": grant})


@pytest.fixture
def streams() -> OpenStreams:
    return OpenStreams(timer=NOW.timestamp)


async def silence() -> AsyncIterator[int]:
    """A stream that says one thing and then waits."""
    yield 1
    await asyncio.Event().wait()


async def read(stream: OpenStream, frames: AsyncIterator[int]) -> list[int]:
    seen = []
    while (frame := await stream.next(frames)) is not None:
        seen.append(frame)
    return seen


async def test_one_question_serves_all_streams(streams: OpenStreams) -> None:
    members = Members({("w", f"user{n}"): MEMBER for n in range(10)})
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(streams.open(scope(f"user{n % 10}"))) for n in range(1000)]
        await streams.check(members.find)
        assert members.asked == [set(members.found)]
        del members.found["w", "user3"]
        await streams.check(members.find)
        ended = [n for n, stream in enumerate(opened) if stream.refusal is not None]
        assert ended == list(range(3, 1000, 10))
    await streams.check(members.find)
    assert len(members.asked) == 2  # nobody is left to ask for


@pytest.mark.parametrize(
    ("needs", "found", "reason"),
    [
        ("viewer", None, "RESOURCE_NOT_FOUND"),
        ("editor", Membership(role="viewer", source="member_call"), "PERMISSION_DENIED"),
        ("editor", Membership(role="viewer", source="token"), "PERMISSION_DENIED"),
    ],
)
async def test_a_stream_that_waits_ends_at_once(
    streams: OpenStreams, needs: str, found: Membership | None, reason: str
) -> None:
    members = Members({} if found is None else {("w", "ada"): found})
    with streams.open(scope(role=needs)) as stream:
        frames = silence()
        assert await stream.next(frames) == 1
        reading = asyncio.create_task(read(stream, frames))
        await asyncio.sleep(0)
        await streams.check(members.find)
        with pytest.raises(errors.RotaError) as caught:
            await reading
    assert caught.value.reason == reason


async def test_a_stream_that_is_being_sent_ends_before_its_next_frame(
    streams: OpenStreams,
) -> None:
    with streams.open(scope()) as stream:
        frames = silence()
        assert await stream.next(frames) == 1
        await streams.check(Members({}).find)
        with pytest.raises(errors.ResourceNotFound):
            await stream.next(frames)


async def test_a_stream_whose_token_has_expired_ends(streams: OpenStreams) -> None:
    members = Members({("w", "ada"): MEMBER})
    over = scope(expires=NOW - LEEWAY - timedelta(seconds=1))
    with streams.open(over) as ends, streams.open(scope(expires=NOW - LEEWAY)) as goes_on:
        await streams.check(members.find)
    assert isinstance(ends.refusal, errors.Unauthenticated)
    assert goes_on.refusal is None


async def test_streams_go_on_while_nobody_can_be_asked(streams: OpenStreams) -> None:
    async def away(_: object) -> dict[tuple[str, str], Membership]:
        raise ConnectionRefusedError

    with streams.open(scope()) as stream:
        await streams.check(away)
    assert stream.refusal is None


async def test_a_caller_who_leaves_is_no_refusal(streams: OpenStreams) -> None:
    with streams.open(scope()) as stream:
        reading = asyncio.create_task(read(stream, silence()))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
