"""Calls on one channel: retries, pages, and errors as RotaError."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

from grpclib.client import Channel
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from rota_client import errors
from rota_client.connection import Endpoint
from rota_client.pager import Page, Pager

T = TypeVar("T")
Q = TypeVar("Q", contravariant=True)
A = TypeVar("A", covariant=True)
UNARY_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a call retries without a connection, and how long a stream may stay silent."""

    give_up_after: float = 60.0
    first_wait: float = 0.1
    longest_wait: float = 5.0
    # servers send a heartbeat every 15 to 20 seconds
    silence: float = 60.0
    # after its last frame a stream has so long to end by itself
    farewell: float = 1.0
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)
    clock: Callable[[], float] = field(default=time.monotonic)
    # called with each error that a retry follows
    on_retry: Callable[[errors.RotaError], None] | None = None

    async def call(self, action: Callable[[], Awaitable[T]]) -> T:
        """Runs `action`, and retries while the server is unavailable. `action` is idempotent."""
        end = self.clock() + self.give_up_after
        retries = 0
        while True:
            try:
                return await action()
            except errors.Unavailable as exc:
                if self.clock() >= end:
                    raise
                if self.on_retry is not None:
                    self.on_retry(exc)
                asked = exc.retry_after
            backoff = random.uniform(0, self._longest_backoff(retries))
            await self.sleep(max(backoff, asked.total_seconds() if asked else 0.0))
            retries += 1

    async def wait(self, times: int) -> None:
        """Waits before retry number `times`; retry 0 does not wait."""
        if times:
            await self.sleep(self._longest_backoff(times))

    def _longest_backoff(self, retries: int) -> float:
        return min(self.longest_wait, self.first_wait * 2.0 ** min(retries, 16))


class UnaryMethod(Protocol[Q, A]):
    def __call__(self, message: Q, *, timeout: float) -> Awaitable[A]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Unary calls. Each one only reads, or carries a request id, so a retry is safe."""

    address: str
    retry_policy: RetryPolicy

    async def unary(self, method: UnaryMethod[Q, A], request: Q) -> A:
        async def once() -> A:
            with translate_errors(self.address):
                return await method(request, timeout=UNARY_SECONDS)

        return await self.retry_policy.call(once)

    def pager(
        self,
        method: UnaryMethod[Q, A],
        request: Q,
        items: Callable[[A], Sequence[T]],
        page_token: str,
    ) -> Pager[T]:
        asked: Any = request

        async def fetch(size: int, token: str) -> Page[T]:
            page: Any = await self.unary(method, replace(asked, page_size=size, page_token=token))
            return Page(items=items(page), next_page_token=page.next_page_token)

        return Pager(fetch, page_token)


def open_channel(endpoint: Endpoint) -> Channel:
    return Channel(
        endpoint.host,
        endpoint.port,
        ssl=True if endpoint.tls else None,
        status_details_codec=errors.StatusCodec(),
    )


@contextmanager
def translate_errors(address: str) -> Iterator[None]:
    """Turns the errors of a call into RotaError; a lost or refused connection is Unavailable."""
    task = asyncio.current_task()
    asked = task.cancelling() if task is not None else 0
    try:
        with _translate(address):
            yield
    except errors.RotaError:
        # grpclib cancels the task of a lost connection and does not take that back, so asyncio
        # would report a later Ctrl-C as a cancelled task.
        while task is not None and task.cancelling() > asked:
            task.uncancel()
        raise


@contextmanager
def _translate(address: str) -> Iterator[None]:
    try:
        yield
    except GRPCError as exc:
        raise errors.from_call(exc) from exc
    except TimeoutError as exc:
        raise errors.DeadlineExceeded(f"{address} did not answer in time") from exc
    except OSError as exc:
        raise errors.Unavailable(f"nothing answers at {address}") from exc
    except (StreamTerminatedError, ProtocolError, AssertionError) as exc:
        # grpclib asserts that a message is whole; a cut connection can break that
        raise errors.Unavailable(f"the connection to {address} was lost") from exc


async def next_message(stream: AsyncIterator[T], address: str, silence: float) -> T:
    """Returns the next message. Raises StopAsyncIteration, or Unavailable after `silence`."""
    with translate_errors(address):
        try:
            async with asyncio.timeout(silence):
                return await anext(stream)
        except TimeoutError as exc:
            raise errors.Unavailable(f"{address} said nothing for {silence:.0f} s") from exc


def new_id() -> str:
    """Returns a request id."""
    return str(uuid4())
