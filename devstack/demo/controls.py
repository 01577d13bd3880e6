"""Faults and pauses that a test requests of the demo model, and the log of its requests."""

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from devstack.demo.faults import Faults
from devstack.demo.request import Kind, Request

Outcome = Literal["open", "finished", "refused", "broken", "abandoned"]


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request. `abandoned`: the caller disconnected before the end."""

    kind: Kind
    model: str
    stream: bool
    roles: list[str]
    texts: list[str]  # what each message says
    examples: list[str]  # the same of the prompt's examples, which `roles` and `texts` leave out
    asked: str
    system: str
    tools: list[str]
    schema: str
    outcome: Outcome = "open"
    status: int = 200
    held: bool = False
    pieces: int = 0  # sent so far


@dataclass(slots=True, kw_only=True)
class Failure:
    """The next `times` requests (of one kind) fail with a status."""

    times: int
    status: int = 429
    retry_after: float | None = None
    kind: Kind | None = None


@dataclass(slots=True)
class Controls:
    delay: float = 0.0
    faults: Faults = field(default_factory=Faults)
    seen: list[RequestRecord] = field(default_factory=list)
    _orders: list[Failure] = field(default_factory=list)
    _gate: asyncio.Event = field(default_factory=asyncio.Event)
    _held_kind: Kind | None = None
    _held_after: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._gate.set()

    def hold(self, *, after: int = 0, kind: Kind | None = None) -> None:
        """Pauses every reply (of one kind) after `after` pieces, until `release`."""
        self._held_after, self._held_kind = after, kind
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def fail(
        self,
        times: int = 1,
        *,
        status: int = 429,
        retry_after: float | None = None,
        kind: Kind | None = None,
    ) -> None:
        self._orders.append(Failure(times=times, status=status, retry_after=retry_after, kind=kind))

    def log(self, kind: Kind | None = None) -> list[RequestRecord]:
        return [seen for seen in self.seen if kind is None or seen.kind == kind]

    def reset(self) -> None:
        self.delay = 0.0
        self.faults.forget()
        self.seen.clear()
        self._orders.clear()
        self.release()

    async def until_held(self, kind: Kind | None = None, timeout: float = 60) -> RequestRecord:
        """Waits until a reply is paused."""
        async with asyncio.timeout(timeout):
            while True:
                if held := [seen for seen in self.log(kind) if seen.held]:
                    return held[-1]
                await self._change()

    async def until_over(self, seen: RequestRecord, timeout: float = 60) -> Outcome:
        """Waits until a request is answered, cut or abandoned."""
        async with asyncio.timeout(timeout):
            while seen.outcome == "open":
                await self._change()
        return seen.outcome

    def note(self, request: Request) -> RequestRecord:
        seen = RequestRecord(
            kind=request.kind,
            model=request.model,
            stream=request.stream,
            roles=[message.role for message in request.messages],
            texts=[message.text for message in request.messages],
            examples=[message.text for message in request.examples],
            asked=request.asked,
            system=request.system,
            tools=list(request.tools),
            schema=request.schema_name,
        )
        self.seen.append(seen)
        self._tell()
        return seen

    def over(self, seen: RequestRecord, outcome: Outcome, status: int = 200) -> None:
        seen.outcome, seen.status, seen.held = outcome, status, False
        self._tell()

    def ordered_failure(self, kind: Kind) -> Failure | None:
        for order in self._orders:
            if order.times > 0 and order.kind in (None, kind):
                order.times -= 1
                return order
        return None

    async def pass_gate(self, seen: RequestRecord) -> None:
        """Runs before each piece; waits when the reply reaches its pause."""
        due = seen.pieces >= self._held_after and self._held_kind in (None, seen.kind)
        if self._gate.is_set() or not due:
            return
        seen.held = True
        self._tell()
        await self._gate.wait()
        seen.held = False

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(seen) for seen in self.seen]

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        await self._changed.wait()
