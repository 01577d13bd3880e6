"""A ChatService that keeps the contract's promises and cuts its streams as it is told."""

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc
from google.protobuf import any_pb2, duration_pb2, empty_pb2, json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from tests.clients.pages import page

TOKEN = "a-token"
WORKSPACE = "workspaces/w"
TERMINAL = {"completed", "suspended", "failed", "cancelled"}

Frame = chat_pb2.TurnEvent
How = Literal["reset", "unavailable", "ended", "heartbeat", "gap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Ends a streaming call after so many frames: the connection is reset, the call fails
    UNAVAILABLE (after one more heartbeat), it ends OK without a terminal frame, or leaves a frame
    out."""

    after: int
    how: How = "reset"


class Refused(Exception):
    """What a servicer answers with, as google.rpc.Status."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        *,
        message: str = "",
        metadata: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        field_reason: str = "",
        retry_seconds: int = 0,
    ) -> None:
        if not message:
            # as the services summarise it
            more = f" (and {len(fields) - 1} more)" if fields and len(fields) > 1 else ""
            first = next((f"{name}: {text}" for name, text in (fields or {}).items()), "refused")
            message = f"{first}{more}"
        super().__init__(message)
        details: list[Message] = [
            error_details_pb2.ErrorInfo(
                reason=reason, domain="rota.dev", metadata=dict(metadata or {})
            )
        ]
        if fields:
            violations = [
                error_details_pb2.BadRequest.FieldViolation(
                    field=name, description=text, reason=field_reason
                )
                for name, text in fields.items()
            ]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        if retry_seconds:
            delay = duration_pb2.Duration(seconds=retry_seconds)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        self.status = status_pb2.Status(
            code=code.value[0], message=message, details=[_packed(d) for d in details]
        )


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


@dataclass(slots=True, kw_only=True)
class Told:
    """One turn: its frames, numbered, with where each segment begins."""

    name: str
    frames: list[Frame] = field(default_factory=list)
    state: chat_pb2.Turn.State = chat_pb2.Turn.RUNNING

    def add(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            stored = Frame()
            stored.CopyFrom(frame)
            stored.sequence = len(self.frames) + 1
            self.frames.append(stored)
        self.state = {
            "suspended": chat_pb2.Turn.AWAITING_APPROVAL,
            "completed": chat_pb2.Turn.SUCCEEDED,
            "failed": chat_pb2.Turn.FAILED,
            "cancelled": chat_pb2.Turn.CANCELLED,
        }.get(self.frames[-1].WhichOneof("event") or "", chat_pb2.Turn.RUNNING)


@dataclass(slots=True)
class Chat(chat_pb2_grpc.ChatServiceServicer):
    """Answers each new request with the next of `segments`; a `started` frame goes before."""

    reset: Callable[[], None]
    segments: deque[list[Frame]] = field(default_factory=deque)
    cuts: deque[Cut] = field(default_factory=deque)
    refusals: deque[Refused] = field(default_factory=deque)
    approvals: dict[str, chat_pb2.Approval] = field(default_factory=dict)
    turns: dict[str, Told] = field(default_factory=dict)
    models: list[chat_pb2.ModelConfig] = field(default_factory=list)
    model_test: chat_pb2.TestModelConfigResponse = field(
        default_factory=chat_pb2.TestModelConfigResponse
    )
    threads: list[chat_pb2.Thread] = field(default_factory=list)
    messages: list[chat_pb2.Message] = field(default_factory=list)  # of chats, newest first
    chats: tuple[str, ...] = (f"{WORKSPACE}/threads/t", f"{WORKSPACE}/threads/t7")
    begun: dict[str, tuple[Told, int]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    cancels: bool = True
    previews: bool = True
    quiet: bool = False
    left: threading.Event = field(default_factory=threading.Event)
    # the faults of a payload by their paths in it, and the reason of all of them
    check: Callable[[dict[str, Any]], dict[str, str]] = lambda payload: {}
    fault: str = "invalid"
    # turns and messages, newest first, of the threads of runs' steps
    sessions: dict[str, tuple[list[chat_pb2.Turn], list[chat_pb2.Message]]] = field(
        default_factory=dict
    )
    # the warnings of an edited payload
    warn: Callable[[dict[str, Any]], list[str]] = lambda payload: []

    async def SendMessage(self, request: Any, context: Any) -> Any:  # noqa: N802
        async def open_turn() -> tuple[Told, int]:
            turn = Told(name=f"{WORKSPACE}/threads/t/turns/u{len(self.turns) + 1}")
            self.turns[turn.name] = turn
            return turn, 0

        async for frame in self._segment(request, context, open_turn):
            yield frame

    async def ResumeTurn(self, request: Any, context: Any) -> Any:  # noqa: N802
        async def decide() -> tuple[Told, int]:
            for at, decision in enumerate(request.decisions):
                await self._decide(decision, f"decisions[{at}]", context)
            turn = self.turns[request.name]
            return turn, len(turn.frames)

        async for frame in self._segment(request, context, decide):
            yield frame

    async def WatchTurn(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        async for frame in self._tail(self.turns[request.name], request.after_sequence, context):
            yield frame

    async def GetTurn(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        turn = self.turns[request.name]
        return chat_pb2.Turn(name=turn.name, state=turn.state, last_sequence=len(turn.frames))

    async def GetThread(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        waiting = [
            turn.name
            for turn in self.turns.values()
            if turn.state in (chat_pb2.Turn.RUNNING, chat_pb2.Turn.AWAITING_APPROVAL)
        ]
        return chat_pb2.Thread(name=request.name, open_turn="".join(waiting[-1:]))

    async def ListTurns(self, request: Any, context: Any) -> Any:  # noqa: N802
        turns, _ = await self._session(request, context)
        found, token = page(turns, request)
        return chat_pb2.ListTurnsResponse(turns=found, next_page_token=token)

    async def ListMessages(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.parent in self.chats:
            return chat_pb2.ListMessagesResponse(messages=self.messages)
        _, messages = await self._session(request, context)
        found, token = page(messages, request)
        return chat_pb2.ListMessagesResponse(messages=found, next_page_token=token)

    async def _session(self, request: Any, context: Any) -> Any:
        await self._enter(request, context)
        if request.parent not in self.sessions:
            await abort(context, Refused(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND"))
        return self.sessions[request.parent]

    async def CancelTurn(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        if not self.cancels:
            await abort(context, Refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED"))
        self.turns[request.name].add([Frame(cancelled=chat_pb2.TurnCancelled())])
        return chat_pb2.Turn(name=request.name, state=chat_pb2.Turn.CANCELLED)

    async def ListModelConfigs(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        return chat_pb2.ListModelConfigsResponse(model_configs=self.models)

    async def CreateModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        made = chat_pb2.ModelConfig()
        made.CopyFrom(request.model_config)
        made.id, made.own, made.key_hint = 7, True, made.api_key[-4:]
        made.ClearField("api_key")
        self.models.append(made)
        return made

    async def UpdateModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        changed = chat_pb2.ModelConfig()
        changed.CopyFrom(request.model_config)
        changed.extra_header_names.extend(sorted(changed.extra_headers))
        changed.own, changed.id = True, 7
        changed.ClearField("extra_headers")
        return changed

    async def TestModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        return self.model_test

    async def DeleteModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        return empty_pb2.Empty()

    async def GetApproval(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        if request.name not in self.approvals:
            refused = Refused(
                grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", message="there is no such approval"
            )
            await abort(context, refused)
        return self.approvals[request.name]

    async def ListApprovals(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        wanted = [
            approval
            for approval in self.approvals.values()
            if not request.filter or approval.state == chat_pb2.Approval.PENDING
        ]
        found, token = page(wanted, request)
        return chat_pb2.ListApprovalsResponse(approvals=found, next_page_token=token)

    async def ListThreads(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        found, token = page(self.threads, request)
        return chat_pb2.ListThreadsResponse(threads=found, next_page_token=token)

    async def DecideApproval(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        approval = await self._decide(request.decision, "decision", context)
        turn = self.turns.get(approval.turn)
        if turn is not None and self.segments:
            turn.add(self._started(turn, self.segments.popleft(), resumed=True))
        return approval

    async def PreviewDecision(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._enter(request, context)
        if not self.previews:
            await abort(context, Refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED"))
        found = chat_pb2.Approval()
        found.CopyFrom(self.approvals[request.decision.approval])
        await self._refuse_payload(
            json_format.MessageToDict(request.decision.edit.payload), "decision", context
        )
        found.edited_payload.CopyFrom(request.decision.edit.payload)
        found.context.update(
            {"warnings": self.warn(json_format.MessageToDict(found.edited_payload))}
        )
        found.ClearField("preview")
        return found

    async def _enter(self, request: Any, context: Any) -> None:
        self.calls.append((type(request).__name__.removesuffix("Request"), request))
        self.tokens.update(v for k, v in context.invocation_metadata() if k == "authorization")
        if self.refusals:
            await abort(context, self.refusals.popleft())

    async def _segment(self, request: Any, context: Any, begin: Any) -> Any:
        await self._enter(request, context)
        if request.request_id not in self.begun:
            turn, start = await begin()
            turn.add(self._started(turn, self.segments.popleft(), resumed=start > 0))
            self.begun[request.request_id] = turn, start
        async for frame in self._tail(*self.begun[request.request_id], context):
            yield frame

    def _started(self, turn: Told, frames: list[Frame], *, resumed: bool) -> list[Frame]:
        started = chat_pb2.TurnStarted(
            turn=turn.name, agent_message=f"{WORKSPACE}/threads/t/messages/m", resumed=resumed
        )
        return [Frame(started=started), *frames]

    async def _tail(self, turn: Told, after: int, context: Any) -> Any:
        """As `_frames`; notes a caller that leaves before the end."""
        try:
            async for frame in self._frames(turn, after, context):
                yield frame
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    async def _frames(self, turn: Told, after: int, context: Any) -> Any:
        """Stored frames, a heartbeat before each, until a terminal one; or as the cut says."""
        cut = self.cuts.popleft() if self.cuts else None
        for sent in itertools.count():
            if cut is not None and sent == cut.after:
                async for last in self._cut(cut, turn, after + sent, context):
                    yield last
                return
            if after + sent == len(turn.frames) and turn.state >= chat_pb2.Turn.SUCCEEDED:
                return
            while after + sent == len(turn.frames):
                if not self.quiet:
                    yield Frame(sequence=after + sent, heartbeat=chat_pb2.Heartbeat())
                await asyncio.sleep(0.02)
            frame = turn.frames[after + sent]
            yield Frame(sequence=frame.sequence - 1, heartbeat=chat_pb2.Heartbeat())
            yield frame
            if frame.WhichOneof("event") in TERMINAL:
                return

    async def _cut(self, cut: Cut, turn: Told, read: int, context: Any) -> Any:
        match cut.how:
            case "reset":
                self.reset()
            case "gap":
                yield turn.frames[read + 1]
            case "heartbeat":
                yield Frame(sequence=read, heartbeat=chat_pb2.Heartbeat())
                await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
            case "unavailable":
                await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
            case "ended":
                pass

    async def _decide(self, decision: Any, field: str, context: Any) -> chat_pb2.Approval:
        approval = self.approvals[decision.approval]
        if decision.payload_digest != approval.payload_digest:
            await abort(context, Refused(grpc.StatusCode.ABORTED, "DIGEST_MISMATCH"))
        how = decision.WhichOneof("decision")
        payload = json_format.MessageToDict(
            decision.edit.payload if how == "edit" else approval.payload
        )
        if how != "reject":
            await self._refuse_payload(payload, field, context)
        match how:
            case "edit":
                approval.edited_payload.CopyFrom(decision.edit.payload)
                approval.state = chat_pb2.Approval.APPROVED
            case "approve":
                approval.state = chat_pb2.Approval.APPROVED
            case _:
                approval.state = chat_pb2.Approval.REJECTED
                approval.reason = decision.reject.reason
        return approval

    async def _refuse_payload(self, payload: Any, field: str, context: Any) -> None:
        if faults := self.check(payload):
            fields = {f"{field}.edit.payload.{path}": text for path, text in faults.items()}
            refused = Refused(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_REQUEST",
                fields=fields,
                field_reason=self.fault,
            )
            await abort(context, refused)


async def abort(context: Any, refused: Refused) -> None:
    await context.abort_with_status(rpc_status.to_status(refused.status))
