"""Work in threads: one workspace's that hangs leaves threads to the others."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.aio import ThreadShare
from shared.security import egress
from shared.security.egress import look_up_for

SECONDS = 30  # of patience


class Gate:
    """Work that ends when it is let go; `begun` are those that have begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._open = threading.Event()

    def work(self, name: str) -> Callable[[], str]:
        def wait() -> str:
            self.begun.append(name)
            assert self._open.wait(SECONDS)
            return name

        return wait

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


async def begins(gate: Gate, *names: str) -> None:
    async with asyncio.timeout(SECONDS):
        while sorted(gate.begun) != sorted(names):
            await asyncio.sleep(0.001)


async def test_one_that_hangs_leaves_threads_to_another(gate: Gate) -> None:
    share = ThreadShare("test", threads=3, share=2)
    hung = [asyncio.create_task(share.run(gate.work(f"a{n}"), by="a")) for n in range(9)]
    await begins(gate, "a0", "a1")
    assert await share.run(lambda: "b", by="b") == "b"
    assert gate.begun == ["a0", "a1"]
    gate.open()
    assert await asyncio.gather(*hung) == [f"a{n}" for n in range(9)]


async def test_those_who_wait_take_turns(gate: Gate) -> None:
    share = ThreadShare("test", threads=1, share=1)
    done: list[str] = []

    async def do(by: str) -> None:
        done.append(await share.run(lambda: by, by=by))

    first = asyncio.create_task(share.run(gate.work("first"), by="c"))
    await begins(gate, "first")
    waiting = [asyncio.create_task(do(by)) for by in "aaab"]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(first, *waiting)
    assert done == ["a", "b", "a", "a"]


async def test_who_leaves_keeps_the_thread_until_its_work_ends(gate: Gate) -> None:
    share = ThreadShare("test", threads=2, share=1)
    left = asyncio.create_task(share.run(gate.work("left"), by="a"))
    await begins(gate, "left")
    gone = asyncio.create_task(share.run(gate.work("never"), by="a"))
    last = asyncio.create_task(share.run(gate.work("last"), by="a"))
    await asyncio.sleep(0)
    for task in (left, gone):
        task.cancel()
    await asyncio.wait([left, gone])
    assert gate.begun == ["left"]
    gate.open()
    assert await last == "last"
    assert gate.begun == ["left", "last"]


@pytest.mark.parametrize("left", [[0], [1], [0, 1], [2], [0, 1, 2]], ids=str)
async def test_who_leaves_when_a_thread_becomes_free_takes_none(left: list[int]) -> None:
    share = ThreadShare("test", threads=1, share=1)
    share._hold("first")
    tasks = [asyncio.create_task(share.run(lambda: "done", by=by)) for by in "aab"]
    await asyncio.sleep(0)
    for at in left:
        tasks[at].cancel()
    share._release("first")
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SECONDS)
    assert [one == "done" for one in found] == [at not in left for at in range(3)]
    assert [isinstance(one, asyncio.CancelledError) for one in found] == [
        at in left for at in range(3)
    ]
    assert await asyncio.wait_for(share.run(lambda: "next", by="a"), SECONDS) == "next"


@pytest.mark.parametrize("at", [0, 1])
async def test_who_leaves_as_its_turn_comes_gives_it_on(at: int) -> None:
    share = ThreadShare("test", threads=1, share=1)
    share._hold("first")
    tasks = [asyncio.create_task(share.run(lambda: "done", by=by)) for by in "aa"]
    await asyncio.sleep(0)
    share._release("first")
    tasks[at].cancel()
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), SECONDS)
    assert [one == "done" for one in found] == [each != at for each in range(2)]
    assert await asyncio.wait_for(share.run(lambda: "next", by="a"), SECONDS) == "next"


async def test_what_work_raises_frees_its_thread() -> None:
    share = ThreadShare("test", threads=1, share=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await share.run(lambda: 1 // 0, by="a")


async def test_name_servers_that_hang_delay_only_the_workspace_that_asks_them(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        if host == "slow.example":
            gate.work(host)()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    async def ask(workspace: str, host: str) -> int:
        with look_up_for(workspace):
            return len(await egress.resolve(host, 443))

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    hung = [asyncio.create_task(ask("a", "slow.example")) for _ in range(100)]
    await begins(gate, *["slow.example"] * egress.LOOKUPS_OF_WORKSPACE)
    async with asyncio.timeout(SECONDS):
        assert await ask("b", "fast.example") == 1
        assert await asyncio.to_thread(lambda: "free") == "free"
    assert len(gate.begun) == egress.LOOKUPS_OF_WORKSPACE
    gate.open()
    assert await asyncio.gather(*hung) == [1] * 100
