"""Two replicas of chat_service to be killed, the people who talk to them, and what holds them."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import yaml
from rota.agent.v1 import agent_pb2, agent_pb2_grpc
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import automation_pb2_grpc
from rota.chat.v1 import chat_pb2 as pb
from rota.chat.v1 import chat_pb2_grpc

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres.roles import ServiceDatabases
from shared.rpc import client
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model, models_file
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock, Process, processes
from tests.support.servers.mcp_server import Shelf, mcp_server
from tests.support.system.chat import START, WORKSPACE, approval_of, approve, asking, told, until

TERMINAL = ("completed", "suspended", "failed", "cancelled")
# What a model says costs credit, so that every end of a segment has to settle some.
PREMIUM = model(
    -1, "demo-a", premium=True, input_price=1_000_000, output_price=1_000_000, reserve_tokens=2_000
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Two replicas of chat_service, one automation_service, and the way to them."""

    chats: tuple[Process, Process]
    stubs: tuple[chat_pb2_grpc.ChatServiceStub, chat_pb2_grpc.ChatServiceStub]
    agents: tuple[agent_pb2_grpc.AgentServiceStub, agent_pb2_grpc.AgentServiceStub]
    automations: automation_pb2_grpc.AutomationServiceStub
    metadata: list[tuple[str, str]]
    keys: Keys
    demo: DemoServer
    shelf: Shelf
    databases: ServiceDatabases

    @property
    def as_service(self) -> list[tuple[str, str]]:
        """The metadata of one call by automation_service, with a token that lives shortly."""
        return self.keys.service_headers(
            "automation_service", audience="chat_service", user="ada", workspace="w"
        )

    async def saved(self) -> list[str]:
        listed = await self.automations.ListAutomations(
            ap.ListAutomationsRequest(parent=WORKSPACE, page_size=200), metadata=self.metadata
        )
        return sorted(each.display_name for each in listed.automations)

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        connection = await asyncpg.connect(
            self.databases.superuser, server_settings={"search_path": "chat"}
        )
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def settled(self) -> dict[tuple[Any, int], int]:
        """Credit used, by turn and segment, once nothing is held any more."""
        query = "select * from credit_reservations"

        async def all_settled() -> bool:
            return all(row["settle_time"] for row in await self.rows(query))

        await until(all_settled, seconds=240)
        return {(r["turn_id"], r["segment"]): r["used_micros"] for r in await self.rows(query)}

    async def whole(self) -> None:
        """Starts whoever is dead, and waits until everybody knows the tools of the shelf."""
        self.demo.controls.release()
        self.shelf.held = False
        await asyncio.gather(*(chat.start() for chat in self.chats if not chat.alive))
        for agent in self.agents:
            await until(lambda agent=agent: self._offered(agent), seconds=240)

    async def _offered(self, agent: agent_pb2_grpc.AgentServiceStub) -> bool:
        listed = await agent.ListCapabilities(
            agent_pb2.ListCapabilitiesRequest(), metadata=self.as_service, wait_for_ready=True
        )
        return "notes_write" in {one.id for one in listed.capabilities}


@contextlib.asynccontextmanager
async def a_town(databases: ServiceDatabases, folder: Path) -> AsyncIterator[Town]:
    keys, shelf, clock = Keys(folder=folder), Shelf(), FileClock(folder / "now")
    clock.set(START)
    ports, other_port = (free_port(), free_port()), free_port()
    async with contextlib.AsyncExitStack() as stack:
        demo = await stack.enter_async_context(demo_server())
        notes = {"id": "notes", "url": await stack.enter_async_context(mcp_server(shelf))}
        models = models_file(folder, PREMIUM, model(-2, "demo-b"), credit=10**9)
        said = yaml.safe_load(models.read_text())
        models.write_text(yaml.safe_dump({**said, "mcp_servers": [notes]}))
        running = await stack.enter_async_context(
            processes(
                databases,
                keys,
                demo.base_url,
                clock,
                ports,
                {"ROTA_MODELS": str(models)},
                replicas=[other_port],
            )
        )
        other = running.chat.another(other_port, keys.folder / "other.log")
        stack.push_async_callback(other.kill)
        await other.start()
        first, second, automation = [
            await stack.enter_async_context(client.open_channel(f"127.0.0.1:{port}"))
            for port in (running.chat.port, other.port, ports[1])
        ]
        yield Town(
            chats=(running.chat, other),
            stubs=(chat_pb2_grpc.ChatServiceStub(first), chat_pb2_grpc.ChatServiceStub(second)),
            agents=(
                agent_pb2_grpc.AgentServiceStub(first),
                agent_pb2_grpc.AgentServiceStub(second),
            ),
            automations=automation_pb2_grpc.AutomationServiceStub(automation),
            metadata=keys.user_headers(),
            keys=keys,
            demo=demo,
            shelf=shelf,
            databases=databases,
        )


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody whose calls break off at random, and who asks the next replica for the rest."""

    town: Town
    text: str
    dice: random.Random = field(default_factory=random.Random)
    cut: bool = False
    at: int | None = None  # the replica that is asked; None: any
    turn: str = ""
    heard: list[pb.TurnEvent] = field(default_factory=list)

    async def talk(self) -> None:
        await self.ask()
        while self.heard[-1].WhichOneof("event") == "suspended":
            decision = approve(approval_of(self.heard))
            await self.hear(
                pb.ResumeTurnRequest(name=self.turn, decisions=[decision], request_id=str(uuid4()))
            )

    async def ask(self) -> None:
        """Says it, and hears the answer or what is to be decided."""
        await self.hear(asking(self.text, model_config_id=-1))

    async def decide(self) -> None:
        """Approves at the first replica, which goes on while nobody listens."""
        approval = approval_of(self.heard)
        request = pb.DecideApprovalRequest(
            name=approval.name, decision=approve(approval), request_id=str(uuid4())
        )
        await self.town.stubs[0].DecideApproval(request, metadata=self.town.metadata)

    async def hear(self, request: pb.SendMessageRequest | pb.ResumeTurnRequest) -> None:
        """Reads one segment to its terminal frame."""
        before = len(self.heard)
        async with asyncio.timeout(240):
            while not self._over(before):
                stubs = self.town.stubs
                stub = self.dice.choice(stubs) if self.at is None else stubs[self.at]
                if len(self.heard) > before:
                    last = self.heard[-1].sequence
                    watch = pb.WatchTurnRequest(name=self.turn, after_sequence=last)
                    await self._read(stub.WatchTurn(watch, metadata=self.town.metadata))
                elif isinstance(request, pb.ResumeTurnRequest):
                    await self._read(stub.ResumeTurn(request, metadata=self.town.metadata))
                else:
                    await self._read(stub.SendMessage(request, metadata=self.town.metadata))

    async def hear_from_the_second(self) -> None:
        watch = pb.WatchTurnRequest(name=self.turn, after_sequence=self.heard[-1].sequence)
        async with asyncio.timeout(240):
            call = self.town.stubs[1].WatchTurn(watch, metadata=self.town.metadata)
            async for event in call:
                if event.WhichOneof("event") != "heartbeat":
                    self.heard.append(event)

    async def _read(self, call: Any) -> None:
        left = self.dice.randint(1, 12) if self.cut else 10**9
        try:
            async for event in call:
                if event.WhichOneof("event") == "heartbeat":
                    continue
                self.heard.append(event)
                self.turn = self.turn or event.started.turn
                left -= 1
                if not left:
                    break
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(0.05)
        finally:
            call.cancel()

    def _over(self, before: int) -> bool:
        return len(self.heard) > before and self.heard[-1].WhichOneof("event") in TERMINAL


async def on_the_first(town: Town, text: str) -> tuple[Person, "asyncio.Task[None]"]:
    """Somebody who has been heard by the first replica, and now listens at the second."""
    person = Person(town=town, text=text)
    request = asking(text, model_config_id=-1)
    call = town.stubs[0].SendMessage(request, metadata=town.metadata)
    event = await anext(aiter(call))
    person.heard, person.turn = [event], event.started.turn
    call.cancel()
    return person, asyncio.create_task(person.hear_from_the_second())


async def calm(town: Town, text: str) -> Person:
    """The same said when nothing is killed and nobody is cut off."""
    person = Person(town=town, text=text)
    await person.talk()
    return person


async def told_alike(person: Person) -> None:
    """Every replica that lives tells the very frames that the person heard."""
    town = person.town
    for chat, stub in zip(town.chats, town.stubs, strict=True):
        again: list[pb.TurnEvent] = []
        while chat.alive and len(again) < len(person.heard):
            watch = pb.WatchTurnRequest(name=person.turn, after_sequence=len(again))
            call = stub.WatchTurn(watch, metadata=town.metadata, wait_for_ready=True)
            again += await told(call)
        assert again == person.heard or not chat.alive
