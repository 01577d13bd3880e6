"""The services of the contract, scripted, behind a socket that can be reset."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from rota.automation.v1 import (
    automation_pb2,
    automation_pb2_grpc,
    delivery_pb2_grpc,
    destination_pb2_grpc,
    inbox_pb2,
    inbox_pb2_grpc,
    notice_settings_pb2_grpc,
)
from rota.chat.v1 import chat_pb2_grpc

from tests.clients.scripted_chat import Chat, Refused, abort

TOKEN = "a-token"


class Answers:
    """Answers each method with what `answers` has under its name, or gives for its request, or
    refuses with it."""

    def __init__(self) -> None:
        self.answers: dict[str, Message | Refused | Callable[[Any], Message]] = {}
        self.calls: list[tuple[str, Any]] = []

    async def _answer(self, request: Any, context: Any) -> Any:
        method = type(request).__name__.removesuffix("Request")
        self.calls.append((method, request))
        answer = self.answers.get(method, Refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED"))
        if isinstance(answer, Refused):
            await abort(context, answer)
        return answer(request) if callable(answer) else answer


class Notices(Answers, notice_settings_pb2_grpc.NoticeSettingsServiceServicer):
    GetNoticeSettings = UpdateNoticeSettings = Answers._answer


class Automations(Answers, automation_pb2_grpc.AutomationServiceServicer):
    def __init__(self) -> None:
        super().__init__()
        # frames of WatchRun, and after how many of them the call fails, once each
        self.events: list[automation_pb2.RunEvent] = []
        self.cuts: list[int] = []

    async def WatchRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls.append(("WatchRun", request))
        cut = self.cuts.pop(0) if self.cuts else None
        for sent, event in enumerate(self.events[request.after_sequence :]):
            if sent == cut:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
            yield event

    GetAutomation = ListAutomations = ListRuns = GetRun = ListSlots = PreviewSchedule = (
        Answers._answer
    )
    SkipNextSlot = UnskipSlot = Answers._answer
    PauseAutomation = ResumeAutomation = ArchiveAutomation = DeleteAutomation = Answers._answer
    GetWebhook = UpdateWebhook = RotateWebhookSecret = TestWebhook = Answers._answer
    GetWebhookDelivery = ListWebhookDeliveries = Answers._answer
    ListRevisions = GetRevision = RollbackAutomation = ExplainSlot = CancelRun = Answers._answer
    BackfillSlots = Answers._answer


class Inbox(inbox_pb2_grpc.InboxServiceServicer):
    """Answers as Automations does. A watch ends after `cuts` of its events, once each; after the
    last of them the caller is no member any more."""

    def __init__(self, automations: Automations) -> None:
        self.automations = automations
        self.events: list[inbox_pb2.InboxEvent] = []
        self.cuts: list[int] = []

    async def _answer(self, request: Any, context: Any) -> Any:
        return await self.automations._answer(request, context)

    async def WatchInboxItems(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.automations.calls.append(("WatchInboxItems", request))
        cut = self.cuts.pop(0) if self.cuts else None
        left = [event for event in self.events if event.sequence > request.after_sequence]
        for sent, event in enumerate(left):
            if sent == cut:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
            yield event
        await abort(context, Refused(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND"))

    GetInboxItem = ListInboxItems = MarkInboxItems = _answer


class Destinations(destination_pb2_grpc.DestinationServiceServicer):
    """Answers as Automations does."""

    def __init__(self, automations: Automations) -> None:
        self.automations = automations

    async def _answer(self, request: Any, context: Any) -> Any:
        return await self.automations._answer(request, context)

    CreateDestination = GetDestination = ListDestinations = UpdateDestination = _answer
    DeleteDestination = TestDestination = VerifyDestination = EnableDestination = _answer


class Deliveries(delivery_pb2_grpc.DeliveryServiceServicer):
    """Answers as Automations does."""

    def __init__(self, automations: Automations) -> None:
        self.automations = automations

    async def _answer(self, request: Any, context: Any) -> Any:
        return await self.automations._answer(request, context)

    GetDelivery = ListDeliveries = RetryDelivery = _answer


class Peer:
    """All services on a loop and thread of their own, behind a socket that can be reset."""

    def __init__(self) -> None:
        self.chat = Chat(self._reset)
        self.automations = Automations()
        self.deliveries = Deliveries(self.automations)
        self.destinations = Destinations(self.automations)
        self.inbox = Inbox(self.automations)
        self.notices = Notices()
        self.address = ""
        self._clients: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped: asyncio.Event

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        chat_pb2_grpc.add_ChatServiceServicer_to_server(self.chat, server)
        automation_pb2_grpc.add_AutomationServiceServicer_to_server(self.automations, server)
        delivery_pb2_grpc.add_DeliveryServiceServicer_to_server(self.deliveries, server)
        destination_pb2_grpc.add_DestinationServiceServicer_to_server(self.destinations, server)
        inbox_pb2_grpc.add_InboxServiceServicer_to_server(self.inbox, server)
        notice_settings_pb2_grpc.add_NoticeSettingsServiceServicer_to_server(self.notices, server)
        self._port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        front = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{front.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopped.wait()
        front.close()
        self._reset()
        await server.stop(None)
        mine = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not mine]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))
        self._clients.discard(writer)

    def _reset(self) -> None:
        for writer in self._clients:
            writer.transport.abort()
        self._clients.clear()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@contextmanager
def serving() -> Iterator[Peer]:
    peer = Peer()
    thread = threading.Thread(target=peer.run, daemon=True)
    thread.start()
    assert peer._ready.wait(60)
    try:
        yield peer
    finally:
        peer.stop()
        thread.join(60)
