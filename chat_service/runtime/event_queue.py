"""The events of a run, in order, from all that works for it to whoever streams it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from chat_service.runtime.events import AgentEvent


@dataclass(slots=True)
class EventQueue:
    """Takes events from the loop's own thread.

    An event wakes one task. In LangGraph's stream of custom parts it makes a task, two waits and a
    wake-up of the loop's poll (`python -m bench chat`).
    """

    _events: "deque[AgentEvent]" = field(default_factory=deque)
    _reader: "asyncio.Future[None] | None" = None
    _taken: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, event: AgentEvent) -> None:
        self._events.append(event)
        self._taken.clear()
        self._wake()

    async def stream(
        self, parts: AsyncGenerator[Any, None], read: Callable[[Any], Iterable[AgentEvent]]
    ) -> AsyncGenerator[AgentEvent, None]:
        """Yields what is put, and what `read` makes of each part, until the parts end.

        The next part is asked for when all events before it have been taken. Raises the error of
        the parts after the events that came before it. Closing this closes the parts.
        """

        async def follow() -> None:
            async with aclosing(parts):
                async for part in parts:
                    for event in read(part):
                        self.put(event)
                    await self._taken.wait()

        loop = asyncio.get_running_loop()
        following = asyncio.create_task(follow())
        following.add_done_callback(lambda _: self._wake())
        try:
            while True:
                while self._events:
                    yield self._events.popleft()
                self._taken.set()
                if following.done():
                    break
                self._reader = loop.create_future()
                try:
                    await self._reader
                finally:
                    self._reader = None
            await following
        finally:
            if not following.done():
                following.cancel()
                await asyncio.wait([following])

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
