"""Messages that a person sends through a destination: tests, and codes that prove who reads it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import ChannelPorts
from automation_service.channels.message import TEST, ChannelMessage
from automation_service.channels.registry import CHANNELS
from automation_service.channels.settings import SettingsRefused, read_settings
from automation_service.destinations import service
from automation_service.destinations.delivery_target import MAX_ERROR
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.destinations.settings import SplitSettings
from automation_service.destinations.verification_code import (
    CODE_LIFE,
    MAX_TRIES,
    clear_code,
    hash_code,
    is_waiting,
    make_code,
    matches_code,
    normalise_code,
)
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence.enums import DestinationState
from automation_service.persistence.outbox import destinations as rows
from automation_service.persistence.outbox.destinations import Destination
from shared import errors, resources
from shared.clock import Clock
from shared.db import database
from shared.db.queries import take_lock
from shared.rpc.idempotency import IdempotencyKey
from shared.security.caller import Caller
from shared.telemetry import metrics

HOUR: Final = timedelta(hours=1)
# Messages of this kind in an hour: of one person in a workspace, and to one destination.
MAX_OF_PERSON: Final = 20
MAX_OF_DESTINATION: Final = 5

# Neither text holds what a person wrote: an address may be anybody's.
_TEST: Final = ("A test from Rota", "Results of your automations arrive here like this message.")
_CODE: Final = (
    "Your code for Rota",
    "Your code is **{code}**. Enter it in Rota within {minutes} minutes to show that you read what"
    " is sent here.\n\nIf you did not ask for it, ignore this message.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOutcome:
    """What a test came to. Without an error the message was taken."""

    destination: Destination
    status_code: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationVerification:
    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    secrets: DestinationSecrets
    ports: ChannelPorts

    async def test(
        self, who: Caller, key: IdempotencyKey, name: str, *, verify: bool
    ) -> MessageOutcome:
        """Sends a message, with a code for the caller if `verify` says so.

        Raises RateLimited. A repeat sends nothing. A code that was refused for good does not wait.
        """
        code = make_code() if verify else ""
        hashed = await asyncio.to_thread(hash_code, code) if code else b""
        prepared: list[tuple[Destination, SplitSettings]] = []

        async def act(connection: AsyncConnection) -> str:
            found = await service.find_managed(connection, who, name)
            await self._check_rate(connection, who, found)
            prepared.append((found, self.secrets.split(found)))
            if hashed:
                waiting = {
                    "code_hash": hashed,
                    "code_user_id": who.user,
                    "code_tries": 0,
                    "code_expire_time": self.clock.now() + CODE_LIFE,
                }
                await rows.update_columns(connection, found.id, waiting)
            return name

        await self.changes.make(key, act)
        if not prepared:
            found = await self._get(who, name)
            return MessageOutcome(destination=found, error=found.last_error)
        [(found, settings)] = prepared
        answer = await self._send(settings, _message(found.workspace, code, self.clock.now()))
        metrics.count(
            "rota.destinations.tests",
            kind=found.kind.value,
            outcome="taken" if answer.is_success else "failed",
        )
        async with database.transaction(self.db) as connection:
            # A destination that changed meanwhile is not the one that was tested.
            said = {"last_error": answer.error[:MAX_ERROR]}
            await rows.update_columns(connection, found.id, said, version=found.version)
            if hashed and answer.is_permanent:
                await rows.forget_code(connection, found.id, hashed)
        return MessageOutcome(
            destination=await self._get(who, name),
            status_code=answer.status_code,
            error=answer.error,
        )

    async def verify(self, who: Caller, key: IdempotencyKey, name: str, code: str) -> Destination:
        """Takes the code that was sent for the caller.

        Raises InvalidRequest for a wrong one, and StateConflict when none waits.
        """
        if await self.changes.idempotency.look_up(key) is not None:
            return await self._get(who, name)
        hashed, left = await self._take_try(who, name)
        if not await asyncio.to_thread(matches_code, normalise_code(code), hashed):
            raise errors.invalid("code", f"is not the code that was sent; tries left: {left}")

        async def act(connection: AsyncConnection) -> str:
            found = await service.find_managed(connection, who, name)
            if found.code_hash != hashed:
                raise errors.StateConflict(name, "without that code")
            await rows.save(
                connection, mark_verified(found, who.user, self.clock.now()), self.clock.now()
            )
            return name

        await self.changes.make(key, act)
        return await self._get(who, name)

    async def _take_try(self, who: Caller, name: str) -> tuple[bytes, int]:
        """Counts a try before it is judged, so that no number of calls at once makes more."""
        async with database.transaction(self.db) as connection:
            found = await service.find_managed(connection, who, name)
            if found.code_hash is None or not is_waiting(found, who.user, self.clock.now()):
                raise errors.StateConflict(name, "without a code that waits for you")
            tries = found.code_tries + 1
            await rows.update_columns(connection, found.id, {"code_tries": tries})
        return found.code_hash, MAX_TRIES - tries

    async def _check_rate(
        self, connection: AsyncConnection, who: Caller, found: Destination
    ) -> None:
        # The row of the destination is locked; this locks the person's.
        await take_lock(connection, f"destination_tests|{found.workspace}|{who.user}")
        now = self.clock.now()
        list_times = partial(rows.list_test_times, connection, found.workspace, now - HOUR)
        of_person = await list_times(MAX_OF_PERSON, actor=who.user)
        of_destination = await list_times(MAX_OF_DESTINATION, resource=found.resource)
        # The oldest that counts leaves the hour first.
        waits = [
            times[-1] + HOUR - now
            for times, most in ((of_person, MAX_OF_PERSON), (of_destination, MAX_OF_DESTINATION))
            if len(times) == most
        ]
        if waits:
            raise errors.RateLimited(
                f"at most {MAX_OF_DESTINATION} tests of a destination and {MAX_OF_PERSON} of a"
                " person are sent in an hour",
                retry_after=max(waits),
            )

    async def _send(self, settings: SplitSettings, message: ChannelMessage) -> ChannelAnswer:
        try:
            opened = read_settings(settings.kind.value, settings.values, local=self.ports.local)
        except SettingsRefused:
            return ChannelAnswer.refused("its settings are not allowed any more")
        return await CHANNELS[settings.kind.value].send(opened, message, self.ports)

    async def _get(self, who: Caller, name: str) -> Destination:
        async with self.db.connect() as connection:
            return await service.find_seen(connection, who, name)


def mark_verified(found: Destination, user: str, now: datetime) -> Destination:
    is_unverified = found.state is DestinationState.UNVERIFIED
    return replace(
        clear_code(found),
        state=DestinationState.ACTIVE if is_unverified else found.state,
        verified_member=user,
        verify_time=now,
    )


def _message(workspace: str, code: str, now: datetime) -> ChannelMessage:
    subject, body = _CODE if code else _TEST
    minutes = CODE_LIFE // timedelta(minutes=1)
    return ChannelMessage(
        id=resources.new_id(),
        subject=subject,
        body=body.format(code=code, minutes=minutes) if code else body,
        format="markdown",
        time=now,
        workspace=resources.WORKSPACE.format(workspace=workspace),
        event_type=TEST,
    )
