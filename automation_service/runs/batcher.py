"""What many ask for at the same moment, asked for once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from shared.db import database
from shared.telemetry import logs

MOST: Final = 200
CLOSING_SECONDS: Final = 5.0

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

log = logs.logger(__name__)


@dataclass(slots=True, kw_only=True)
class Combiner(Generic[Asked, Answer]):
    """Gathers what is asked while an earlier batch is under way into the next one.

    `together` answers by `of`. Whom it leaves out is answered by `alone`, beside the batches, and
    so is everyone when it fails: no one waits for, or fails with, another. Only a database that
    can't be reached fails all. One batch holds at most one with the same `turn`; they keep their
    order.
    """

    together: Callable[[list[Asked]], Awaitable[Mapping[Hashable, Answer]]]
    alone: Callable[[Asked], Awaitable[Answer]]
    of: Callable[[Asked], Hashable]
    turn: Callable[[Asked], Hashable] | None = None
    _waiting: list[tuple[Asked, "asyncio.Future[Answer]"]] = field(init=False, default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(init=False, default_factory=set)
    _at_work: bool = field(init=False, default=False)

    async def ask(self, asked: Asked) -> Answer:
        return await self.put(asked)

    def put(self, asked: Asked) -> "asyncio.Future[Answer]":
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if not self._at_work:
            self._at_work = True
            self._begin(self._work())
        return answer

    async def close(self) -> None:
        """Gives what was asked a moment to be answered."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)
        for task in self._tasks:
            task.cancel()

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next())
        finally:
            self._at_work = False

    def _next(self) -> list[tuple[Asked, "asyncio.Future[Answer]"]]:
        if self.turn is None:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            return taken
        taken, left = [], []
        turns: set[Hashable] = set()
        for one in self._waiting:
            turn = self.turn(one[0])
            if turn in turns or len(taken) == MOST:
                left.append(one)
            else:
                turns.add(turn)
                taken.append(one)
        self._waiting = left
        return taken

    async def _answer(self, batch: list[tuple[Asked, "asyncio.Future[Answer]"]]) -> None:
        answers: Mapping[Hashable, Answer] = {}
        try:
            answers = await self.together([asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, each is tried for itself
            if database.translate(error) is not None:
                for _, answer in batch:
                    _fail(answer, error)
                return
            log.warning("batch_failed", asked=len(batch), error=type(error).__name__)
        for asked, answer in batch:
            key = self.of(asked)
            if key not in answers:
                self._begin(self._answer_alone(asked, answer))
            elif not answer.done():
                answer.set_result(answers[key])

    async def _answer_alone(self, asked: Asked, answer: "asyncio.Future[Answer]") -> None:
        try:
            found = await self.alone(asked)
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked
            _fail(answer, error)
        else:
            if not answer.done():
                answer.set_result(found)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
