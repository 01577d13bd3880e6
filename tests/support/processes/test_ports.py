"""Ports that processes of tests take at the same time."""

import asyncio
import subprocess
import sys

from tests.support.processes.ports import free_port, free_ports

TAKE = (
    "from tests.support.processes.ports import free_port; print([free_port() for _ in range(250)])"
)


async def take(taken: asyncio.Barrier) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{TAKE}; input()", stdin=-1, stdout=-1
    )
    assert process.stdout is not None
    assert process.stdin is not None
    line = await process.stdout.readline()
    own = [free_port() for _ in range(20)]  # while the other process holds its own
    # What a process that has ended held is free for others.
    await taken.wait()
    process.stdin.write(b"\n")
    await process.wait()
    return [*own, *map(int, line.decode().strip("[]\n").split(","))]


async def test_no_two_processes_take_the_same_port() -> None:
    all_taken = asyncio.Barrier(2)
    both = await asyncio.gather(take(all_taken), take(all_taken))
    taken = [port for ports in both for port in ports]
    assert len(taken) == 2 * 270
    assert len(set(taken)) == len(taken)


COPY = """
import os
from tests.support.processes.ports import free_port
free_port()
child = os.fork()
os.write(1, f"{free_port() // 100}\\n".encode())
if child:
    os.waitpid(child, 0)
"""


def test_a_copy_of_a_process_takes_other_ports() -> None:
    told = subprocess.run([sys.executable, "-c", COPY], capture_output=True, check=True, text=True)
    assert len(set(told.stdout.split())) == 2


def test_ports_that_follow_one_another_are_taken_once() -> None:
    first, then = free_ports(40), free_ports(40)
    assert not set(range(first, first + 40)) & set(range(then, then + 40))
    assert free_port() not in {*range(first, first + 40), *range(then, then + 40)}
