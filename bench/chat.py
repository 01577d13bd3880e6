"""Streaming an answer: through the service with its frames stored, beside what it is made of.

One model server for all, in a process of its own: `model` reads its stream and does nothing,
`agent` runs the same graph in this process without a service, `service` calls SendMessage.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import uuid4

import httpx

from bench.table import Table, ratio
from chat_service.agent.checkpoints import open_checkpoints
from chat_service.agent.events import TextDelta
from chat_service.agent.graph import Agent
from chat_service.agent.model import ModelBundle, load_models
from chat_service.agent.ports import RuntimeContext, Said
from devstack.postgres_process import free_port
from shared import resources
from shared.clock import SystemClock
from shared.registries import current_catalogue, register_builtins
from tests.support.agent_ports import MemoryApprovals, MemoryAutomations
from tests.support.chat import Chat, chat_service, migrated
from tests.support.postgres import suite_server
from tests.support.tokens import Keys

TOKENS = 300
SHAPES = (1, 20)
ROUNDS = 3
ASKED = f"<<tokens={TOKENS}>> go on"

# Streams one answer and gives the seconds until its first text.
Stream = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    tokens_per_second: float
    first_ms: float


async def run() -> Table:
    rows = [["streams", "", "model", "agent", "service", "service/agent"]]
    async with _contenders() as contenders:
        for count in SHAPES:
            found = await _measured(contenders, count)
            rates = [figure.tokens_per_second for figure in found]
            firsts = [figure.first_ms for figure in found]
            rows.append(
                [str(count), "tokens/s", *(f"{r:.0f}" for r in rates), ratio(rates[2], rates[1])]
            )
            rows.append(
                ["", "first text, ms", *(f"{f:.1f}" for f in firsts), ratio(firsts[2], firsts[1])]
            )
    return Table(rows, "Median of three rounds; the contenders take turns in each.")


async def _measured(contenders: list[Stream], count: int) -> list[Figure]:
    found: list[list[Figure]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for stream, figures in zip(contenders, found, strict=True):
            began = time.perf_counter()
            firsts = await asyncio.gather(*(stream() for _ in range(count)))
            took = time.perf_counter() - began
            figures.append(Figure(count * TOKENS / took, median(firsts) * 1000))
    return [
        Figure(median(f.tokens_per_second for f in figures), median(f.first_ms for f in figures))
        for figures in found
    ]


@contextlib.asynccontextmanager
async def _contenders() -> AsyncIterator[list[Stream]]:
    register_builtins()
    with tempfile.TemporaryDirectory() as folder, suite_server() as server:
        keys = Keys(folder=Path(folder))
        ports = MemoryAutomations(now=datetime.now(UTC))
        # Migrations run a loop of their own.
        await asyncio.to_thread(server.template, "chat_migrated", migrated)
        with server.fresh_database("chat_migrated", migrated) as databases:
            async with (
                _model() as url,
                open_checkpoints(databases.chat) as checkpoints,
                chat_service(databases, keys, url, automations=ports, clock=SystemClock()) as chat,
                httpx.AsyncClient(base_url=url, timeout=60) as http,
            ):
                agent = Agent(
                    checkpoints=checkpoints,
                    approvals=MemoryApprovals(),
                    automations=ports,
                    catalogue=current_catalogue,
                    clock=SystemClock(),
                )
                models = load_models(
                    None,
                    openai_api_key="demo",
                    openai_base_url=url,
                    default_model="demo",
                    environ={},
                )
                bundle = ModelBundle(config=models[-1])
                yield [
                    lambda: _from_model(http),
                    lambda: _from_agent(agent, bundle),
                    lambda: _from_service(chat),
                ]


@contextlib.asynccontextmanager
async def _model() -> AsyncIterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "devstack.demo_model", "--port", str(port), "--delay", "0"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        async with asyncio.timeout(30), httpx.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await http.get(f"{url}/models")
                    break
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _from_model(http: httpx.AsyncClient) -> float:
    body = {
        "model": "demo",
        "stream": True,
        "messages": [{"role": "user", "content": ASKED}],
    }
    began, first = time.perf_counter(), 0.0
    async with http.stream("POST", "/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if not first and '"content":"' in line.replace(" ", "") and '""' not in line:
                first = time.perf_counter() - began
    return first


async def _from_agent(agent: Agent, bundle: ModelBundle) -> float:
    turn = resources.new_id()
    context = RuntimeContext(
        workspace="w",
        user="ada",
        turn=turn,
        turn_name=f"workspaces/w/threads/t/turns/{turn}",
        now=datetime.now(UTC),
        time_zone="UTC",
        time_zone_assumed=True,
    )
    said = [Said(id=str(uuid4()), role="user", parts=[{"text": ASKED}])]
    began, first = time.perf_counter(), 0.0
    async for event in agent.stream(context=context, model=bundle, said=said):
        if not first and isinstance(event, TextDelta):
            first = time.perf_counter() - began
    await agent.forget(turn)
    return first


async def _from_service(chat: Chat) -> float:
    began, first = time.perf_counter(), 0.0
    async for event in chat.stream(ASKED):
        if not first and event.HasField("text_delta"):
            first = time.perf_counter() - began
    return first
