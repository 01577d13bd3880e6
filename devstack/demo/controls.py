"""What a test orders of the demo model, and what it has seen."""

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from devstack.demo.faults import Faults
from devstack.demo.request import Kind, Request

Outcome = Literal["open", "finished", "refused", "broken", "abandoned"]


@dataclass(slots=True, kw_only=True)
class Seen:
    """One request. `abandoned`: the caller went away before the end."""

    kind: Kind
    model: str
    stream: bool
    roles: list[str]
    texts: list[str]  # what each message says
    asked: str
    system: str
    tools: list[str]
    schema: str
    outcome: Outcome = "open"
    status: int = 200
    held: bool = False
    pieces: int = 0  # sent so far


@dataclass(slots=True, kw_only=True)
class Order:
    """Fail the next `times` requests (of one kind) with a status."""

    times: int
    status: int = 429
    retry_after: float | None = None
    kind: Kind | None = None


@dataclass(slots=True)
class Controls:
    delay: float = 0.0
    faults: Faults = field(default_factory=Faults)
    seen: list[Seen] = field(default_factory=list)
    _orders: list[Order] = field(default_factory=list)
    _gate: asyncio.Event = field(default_factory=asyncio.Event)
    _held_kind: Kind | None = None
    _held_after: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._gate.set()

    def hold(self, *, after: int = 0, kind: Kind | None = None) -> None:
        """Stops every reply (of one kind) when `after` pieces of it are sent, until `release`."""
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
        self._orders.append(Order(times=times, status=status, retry_after=retry_after, kind=kind))

    def log(self, kind: Kind | None = None) -> list[Seen]:
        return [seen for seen in self.seen if kind is None or seen.kind == kind]

    def reset(self) -> None:
        self.delay = 0.0
        self.faults.forget()
        self.seen.clear()
        self._orders.clear()
        self.release()

    async def until_held(self, kind: Kind | None = None, timeout: float = 60) -> Seen:
        """Waits until a reply stands at the gate."""
        async with asyncio.timeout(timeout):
            while True:
                if held := [seen for seen in self.log(kind) if seen.held]:
                    return held[-1]
                await self._change()

    async def until_over(self, seen: Seen, timeout: float = 60) -> Outcome:
        """Waits until a request is answered, broken off or abandoned."""
        async with asyncio.timeout(timeout):
            while seen.outcome == "open":
                await self._change()
        return seen.outcome

    def note(self, request: Request) -> Seen:
        seen = Seen(
            kind=request.kind,
            model=request.model,
            stream=request.stream,
            roles=[message.role for message in request.messages],
            texts=[message.text for message in request.messages],
            asked=request.asked,
            system=request.system,
            tools=list(request.tools),
            schema=request.schema_name,
        )
        self.seen.append(seen)
        self._tell()
        return seen

    def over(self, seen: Seen, outcome: Outcome, status: int = 200) -> None:
        seen.outcome, seen.status, seen.held = outcome, status, False
        self._tell()

    def ordered_failure(self, kind: Kind) -> Order | None:
        for order in self._orders:
            if order.times > 0 and order.kind in (None, kind):
                order.times -= 1
                return order
        return None

    async def pass_gate(self, seen: Seen) -> None:
        """Called before each piece; waits when the reply has come to where it is held."""
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
