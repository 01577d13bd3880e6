"""Streams and calls that this replica serves. A stream ends when its caller loses access."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from shared import errors
from shared.db import database
from shared.security.caller import LEEWAY, CallerScope, Membership, require_role
from shared.telemetry import logs

T = TypeVar("T")
_Asked = set[tuple[str, str]]
_Members = Mapping[tuple[str, str], Membership]
# Pairs of workspace and user → the memberships of those who have one.
MembersReader = Callable[[_Asked], Awaitable[_Members]]

log = logs.logger(__name__)


@dataclass(slots=True, eq=False)
class OpenStream:
    """One stream, read by one task. `refusal` is why it ends before its end."""

    scope: CallerScope
    refusal: errors.RotaError | None = None
    _task: "asyncio.Task[object] | None" = None  # to ask for it costs a system call
    _waiting: "asyncio.Task[object] | None" = None

    async def next(self, frames: AsyncIterator[T]) -> T | None:
        """Returns the next frame; None after the last. Raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        self._task = self._waiting = self._task or asyncio.current_task()
        try:
            return await anext(frames, None)
        except asyncio.CancelledError:
            if self.refusal is None or self._waiting is None:
                raise
            self._waiting.uncancel()
            raise self.refusal from None
        finally:
            self._waiting = None

    def end(self, refusal: errors.RotaError) -> None:
        """Ends the stream: now if it waits for a frame, otherwise when it asks for the next."""
        if self.refusal is not None:
            return
        self.refusal = refusal
        # Only what waits here: a cancellation while a frame is sent would be the transport's.
        if self._waiting is not None:
            self._waiting.cancel()


@dataclass(slots=True, kw_only=True)
class OpenStreams:
    """Asks for the access of all open streams at once, at each `check`."""

    timer: Callable[[], float] = time.time
    _open: set[OpenStream] = field(default_factory=set, init=False)

    @contextlib.contextmanager
    def open(self, scope: CallerScope) -> Iterator[OpenStream]:
        stream = OpenStream(scope)
        self._open.add(stream)
        try:
            yield stream
        finally:
            self._open.discard(stream)

    def end(self, refusal: errors.RotaError) -> None:
        """Ends every stream that is open now."""
        for stream in list(self._open):
            stream.end(refusal)

    async def check(self, find_members: MembersReader) -> None:
        """Ends the streams whose token has expired, or whose caller may not open them today.

        Calls `find_members` once; streams go on while it fails.
        """
        for stream in list(self._open):
            if stream.scope.caller.expire_time.timestamp() + LEEWAY.total_seconds() < self.timer():
                stream.end(errors.Unauthenticated("the token has expired"))
        asked = {
            (grant.workspace, stream.scope.caller.user)
            for stream in self._open
            for grant in stream.scope.grants.values()
        }
        if not asked:
            return
        try:
            members = await find_members(asked)
        except Exception as error:  # noqa: BLE001 - asked again at the next check
            database.log_fault(log, "streams_not_checked", error)
            return
        for stream in list(self._open):
            refusal = _refusal(stream.scope, members, asked)
            if refusal is not None:
                stream.end(refusal)


@dataclass(slots=True, kw_only=True)
class OpenCalls:
    """The deadlines of calls. Once `has_ended`, a deadline that passed means: the replica stops."""

    has_ended: bool = False
    _deadlines: set[asyncio.Timeout] = field(default_factory=set)

    def add(self, deadline: asyncio.Timeout) -> None:
        """Takes the deadline of a call that has begun."""
        self._deadlines.add(deadline)
        if self.has_ended:
            deadline.reschedule(0)

    def discard(self, deadline: asyncio.Timeout) -> None:
        self._deadlines.discard(deadline)

    def end(self) -> None:
        """Ends every call now, and each that begins later."""
        self.has_ended = True
        for deadline in list(self._deadlines):
            if not deadline.expired():
                deadline.reschedule(0)


def _refusal(scope: CallerScope, members: _Members, asked: _Asked) -> errors.RotaError | None:
    """Returns why the caller would be refused now what it was granted."""
    who = scope.caller
    for grant in list(scope.grants.values()):
        if (grant.workspace, who.user) not in asked:  # granted since
            continue
        member = members.get((grant.workspace, who.user))
        if member is None:
            return errors.ResourceNotFound(grant.name)
        try:
            require_role(member.role_of(who, grant.workspace), grant.role)
        except errors.PermissionDenied as refusal:
            return refusal
    return None
