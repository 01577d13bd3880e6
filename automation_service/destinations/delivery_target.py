"""A destination as a delivery reads it, and what its successes and failures change."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.channels.settings import ChannelSettings, read_settings
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.persistence.enums import DestinationKind, DestinationState
from automation_service.persistence.outbox import destinations as rows
from automation_service.persistence.outbox import notices
from automation_service.persistence.outbox.destinations import Destination
from shared.telemetry import logs, metrics

# Results in a row that failed for good, after which a destination pauses.
MAX_FAILURES: Final = 5
MAX_ERROR: Final = 500
GONE: Final = "it is gone"

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDestination:
    """A destination with its secrets, for the time of an attempt. `owner` is None if shared."""

    id: UUID
    kind: DestinationKind
    settings: ChannelSettings = field(repr=False)
    state: DestinationState
    pause_reason: str
    owner: str | None
    host: str
    create_time: datetime
    # Its settings as they are stored: who has the same is where an attempt went.
    stored: tuple[Mapping[str, Any], bytes | None] = field(repr=False)


async def open_destination(
    connection: AsyncConnection,
    workspace: str,
    destination_id: str,
    *,
    secrets: DestinationSecrets,
) -> OpenDestination | None:
    """Returns a destination by the last segment of its name; None for one that was deleted.

    Raises EncryptionUnavailable while no key opens its secrets, and SettingsRefused when its
    settings are not taken any more.
    """
    found = await rows.find(connection, workspace, destination_id)
    if found is None:
        return None
    values = secrets.split(found).values
    return OpenDestination(
        id=found.id,
        kind=found.kind,
        # Addresses were checked when they were saved, and are again when they are resolved.
        settings=read_settings(found.kind.value, values, local=True),
        state=found.state,
        pause_reason=found.pause_reason,
        owner=found.owner,
        host=found.host,
        create_time=found.create_time,
        stored=_stored(found),
    )


async def record_outcome(
    connection: AsyncConnection, tried: OpenDestination, *, error: str, gone: bool, now: datetime
) -> bool:
    """Records what a delivery came to: taken without an error, or failed for good.

    It pauses a destination that is gone, or that refused MAX_FAILURES in a row. False when the
    destination has other settings than when it was opened, has paused since or is deleted: then
    the outcome says nothing of it, and nothing is recorded.
    """
    found = await _lock_same(connection, tried)
    if found is None:
        return False
    if not error:
        if found.consecutive_failures or found.last_error:
            await rows.update_columns(
                connection, found.id, {"consecutive_failures": 0, "last_error": ""}
            )
        return True
    failed = replace(
        found,
        consecutive_failures=found.consecutive_failures + 1,
        last_error=error[:MAX_ERROR],
    )
    if gone or failed.consecutive_failures >= MAX_FAILURES:
        await _pause(connection, failed, gone=gone, now=now)
    else:
        values = {
            "consecutive_failures": failed.consecutive_failures,
            "last_error": failed.last_error,
        }
        await rows.update_columns(connection, found.id, values)
    return True


async def record_error(connection: AsyncConnection, tried: OpenDestination, error: str) -> None:
    """Stores an attempt's error at the destination, unless its settings changed meanwhile."""
    if await _lock_same(connection, tried) is not None:
        await rows.update_columns(connection, tried.id, {"last_error": error[:MAX_ERROR]})


async def _lock_same(connection: AsyncConnection, tried: OpenDestination) -> Destination | None:
    """Locks the destination. Returns None if it is gone or paused, or its settings changed."""
    found = await rows.lock_by_id(connection, tried.id)
    if found is None or found.state is DestinationState.PAUSED:
        return None
    return found if _stored(found) == tried.stored else None


def _stored(found: Destination) -> tuple[Mapping[str, Any], bytes | None]:
    return found.settings, found.secrets


async def _pause(
    connection: AsyncConnection, failed: Destination, *, gone: bool, now: datetime
) -> None:
    said = GONE if gone else f"{failed.consecutive_failures} results in a row failed"
    reason = f"{said}: {failed.last_error}" if failed.last_error else said
    paused = replace(failed, state=DestinationState.PAUSED, pause_reason=reason)
    await rows.save(connection, paused, now)
    await notices.add_of_destination(
        connection,
        workspace=paused.workspace,
        owner=paused.owner,
        creator=paused.creator,
        resource_name=paused.resource,
        facts={
            "name": paused.display_name,
            "place": f"{paused.kind.name.capitalize()} at {paused.host}",
            "reason": reason,
        },
        time=now,
    )
    metrics.count("rota.destinations.paused", kind=failed.kind.value)
    log.info("destination_paused", destination=failed.resource, gone=gone)
