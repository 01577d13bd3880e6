"""The client: one channel, typed calls, and streams that survive a lost connection."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Self

from grpclib.client import Channel

from rota_client.calls import Calls, RetryPolicy, new_id, open_channel, translate_errors
from rota_client.connection import Endpoint
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.gen.rota.chat import v1 as chat_v1
from rota_client.names import complete_name, turn_name
from rota_client.pager import Pager
from rota_client.resources.automations import Automations
from rota_client.resources.deliveries import Deliveries
from rota_client.resources.destinations import Destinations
from rota_client.resources.inbox import Inbox
from rota_client.resources.models import Models
from rota_client.resources.notice_settings import NoticeSettingsCalls
from rota_client.resources.webhook import Webhooks
from rota_client.streams import OPEN, StreamPosition, follow


class RotaClient(
    Automations, Deliveries, Destinations, Inbox, Models, NoticeSettingsCalls, Webhooks
):
    """`async with RotaClient(address, token, workspace) as rota: …`

    Connects to the gateway, or to one service, which then serves only its own calls. Names may be
    short: `workspace` completes them. Calls raise RotaError and retry as `retry_policy` says while
    the server is unavailable. `chat`, `automations`, `destinations`, `inbox` and `notices` are the
    generated stubs, for calls without a method here. A list is a Pager, and `async for` reads it
    all: `async for run in rota.list_runs(): …`.
    """

    chat: chat_v1.ChatServiceStub

    def __init__(
        self,
        address: str,
        token: str,
        workspace: str,
        *,
        tls: bool = False,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self.address = address
        self.workspace = workspace
        self._endpoint = Endpoint.of(address, tls=tls)
        self._metadata = {"authorization": f"Bearer {token}"} if token else {}
        self._calls = Calls(address=address, retry_policy=retry_policy or RetryPolicy())
        self._channel: Channel | None = None

    async def __aenter__(self) -> Self:
        self._channel = open_channel(self._endpoint)
        self.chat = chat_v1.ChatServiceStub(self._channel, metadata=self._metadata)
        self.automations = automation_v1.AutomationServiceStub(
            self._channel, metadata=self._metadata
        )
        self.inbox = automation_v1.InboxServiceStub(self._channel, metadata=self._metadata)
        self.deliveries = automation_v1.DeliveryServiceStub(self._channel, metadata=self._metadata)
        self.destinations = automation_v1.DestinationServiceStub(
            self._channel, metadata=self._metadata
        )
        self.notices = automation_v1.NoticeSettingsServiceStub(
            self._channel, metadata=self._metadata
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def connect(self) -> None:
        """Connects now instead of at the first call. Raises Unavailable without retries."""
        assert self._channel is not None
        with translate_errors(self.address):
            await self._channel.__connect__()

    # Turns

    def send_message(
        self,
        text: str,
        *,
        thread: str = "-",
        time_zone: str = "",
        locale: str = "",
        model_config_id: int = 0,
        disabled_tools: Sequence[str] = (),
        request_id: str = "",
    ) -> AsyncGenerator[chat_v1.TurnEvent, None]:
        """Sends `text` to a thread (`-`: a new one) and yields the frames of the answer.

        Every stream of the client yields each frame once and in order, also after a lost
        connection. It skips heartbeats and unknown frames, and ends with the terminal frame. To
        leave early close it with `aclosing`; the turn continues.
        """
        request = chat_v1.SendMessageRequest(
            name=complete_name(self.workspace, "threads", thread),
            message=chat_v1.Message(parts=[chat_v1.Part(text=text)]),
            model_config_id=model_config_id,
            disabled_tools=list(disabled_tools),
            time_zone=time_zone,
            locale=locale,
            request_id=request_id or new_id(),
        )
        return self._follow(StreamPosition(), lambda: self.chat.send_message(request))

    def resume_turn(
        self, turn: str, decisions: Sequence[chat_v1.Decision], *, request_id: str = ""
    ) -> AsyncGenerator[chat_v1.TurnEvent, None]:
        """Decides all pending approvals of the turn and yields the frames that follow."""
        request = chat_v1.ResumeTurnRequest(
            name=turn_name(self.workspace, turn),
            decisions=list(decisions),
            request_id=request_id or new_id(),
        )
        return self._follow(
            StreamPosition(name=request.name), lambda: self.chat.resume_turn(request)
        )

    def watch_turn(
        self, turn: str, *, after_sequence: int = 0
    ) -> AsyncGenerator[chat_v1.TurnEvent, None]:
        """Yields the frames after `after_sequence`, up to the next terminal frame."""
        name = turn_name(self.workspace, turn)
        return self._follow(StreamPosition(name=name, sequence=after_sequence), None)

    async def get_turn(self, turn: str) -> chat_v1.Turn:
        name = turn_name(self.workspace, turn)
        return await self._calls.unary(self.chat.get_turn, chat_v1.GetTurnRequest(name=name))

    def list_turns(self, thread: str, *, page_token: str = "") -> Pager[chat_v1.Turn]:
        """Lists the turns of a thread, newest first; of a run's step its id is the session."""
        return self._calls.pager(
            self.chat.list_turns,
            chat_v1.ListTurnsRequest(parent=complete_name(self.workspace, "threads", thread)),
            lambda page: page.turns,
            page_token,
        )

    async def cancel_turn(self, turn: str) -> chat_v1.Turn:
        name = turn_name(self.workspace, turn)
        request = chat_v1.CancelTurnRequest(name=name, request_id=new_id())
        return await self._calls.unary(self.chat.cancel_turn, request)

    # Threads

    async def get_thread(self, thread: str) -> chat_v1.Thread:
        name = complete_name(self.workspace, "threads", thread)
        return await self._calls.unary(self.chat.get_thread, chat_v1.GetThreadRequest(name=name))

    def list_threads(self, *, page_token: str = "") -> Pager[chat_v1.Thread]:
        return self._calls.pager(
            self.chat.list_threads,
            chat_v1.ListThreadsRequest(parent=self.workspace),
            lambda page: page.threads,
            page_token,
        )

    def list_messages(self, thread: str, *, page_token: str = "") -> Pager[chat_v1.Message]:
        """Lists the finished messages of a thread, newest first."""
        return self._calls.pager(
            self.chat.list_messages,
            chat_v1.ListMessagesRequest(parent=complete_name(self.workspace, "threads", thread)),
            lambda page: page.messages,
            page_token,
        )

    # Approvals

    async def get_approval(self, approval: str) -> chat_v1.Approval:
        name = complete_name(self.workspace, "approvals", approval)
        return await self._calls.unary(
            self.chat.get_approval, chat_v1.GetApprovalRequest(name=name)
        )

    def list_approvals(
        self, *, pending_only: bool = True, page_token: str = ""
    ) -> Pager[chat_v1.Approval]:
        return self._calls.pager(
            self.chat.list_approvals,
            chat_v1.ListApprovalsRequest(
                parent=self.workspace, filter="state = PENDING" if pending_only else ""
            ),
            lambda page: page.approvals,
            page_token,
        )

    async def decide_approval(
        self, decision: chat_v1.Decision, *, request_id: str = ""
    ) -> chat_v1.Approval:
        """Decides one approval and does not watch the turn."""
        request = chat_v1.DecideApprovalRequest(
            name=decision.approval, decision=decision, request_id=request_id or new_id()
        )
        return await self._calls.unary(self.chat.decide_approval, request)

    async def preview_decision(self, decision: chat_v1.Decision) -> chat_v1.Approval:
        """Returns what the card of an approval says with a decision, which is not made.

        Raises what `decide_approval` raises. A service that does not know the call raises
        Unimplemented.
        """
        request = chat_v1.PreviewDecisionRequest(name=decision.approval, decision=decision)
        return await self._calls.unary(self.chat.preview_decision, request)

    def _follow(
        self, at: StreamPosition, first: Callable[[], AsyncIterator[chat_v1.TurnEvent]] | None
    ) -> AsyncGenerator[chat_v1.TurnEvent, None]:
        return follow(
            _Turns(self),
            address=self.address,
            retry_policy=self._calls.retry_policy,
            at=at,
            first=first,
        )


class _Turns:
    def __init__(self, rota: RotaClient) -> None:
        self._rota = rota

    def watch(self, turn: str, after_sequence: int) -> AsyncIterator[chat_v1.TurnEvent]:
        request = chat_v1.WatchTurnRequest(name=turn, after_sequence=after_sequence)
        return self._rota.chat.watch_turn(request)

    async def has_ended(self, turn: str, sequence: int) -> bool:
        found = await self._rota.get_turn(turn)
        return found.state not in OPEN and found.last_sequence <= sequence
