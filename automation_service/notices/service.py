"""The methods of a person's notice settings: get, update, validate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.idempotency import IdempotentChanges
from automation_service.persistence.outbox import notice_settings
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from shared import errors
from shared.aip import check_digest, check_etag, compute_etag
from shared.clock import Clock
from shared.definition.destination_names import INBOX
from shared.json import canonical_json
from shared.rpc.idempotency import IdempotencyKey
from shared.schedule import zones
from shared.schedule.quiet_hours import QuietHours

ROUTES = "notice_settings.routes"


class PlaceCheck(Protocol):
    """Says why a user can't have notices at destinations, by their names."""

    async def __call__(
        self, connection: AsyncConnection, *, workspace: str, user: str, names: Sequence[str]
    ) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettingsOfPeople:
    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    check_places: PlaceCheck

    async def get(self, workspace: str, user: str) -> NoticeSettings:
        async with self.db.connect() as connection:
            return await notice_settings.get(connection, workspace, user)

    async def update(
        self, key: IdempotencyKey, said: Mapping[str, Any], *, etag: str, digest: str = ""
    ) -> NoticeSettings:
        """Changes the settings. A change to what they are already keeps their etag.

        Raises UpdateDigestMismatch for another digest than that of what they would be.
        """

        async def act(connection: AsyncConnection) -> str:
            found = await notice_settings.get(connection, key.workspace, key.user, lock=True)
            changed = await self._change(connection, found, said, etag, digest)
            if not found.version or changed != found:
                await notice_settings.save(connection, changed, self.clock.now())
            return found.resource

        await self.changes.make(key, act)
        return await self.get(key.workspace, key.user)

    async def validate(
        self, workspace: str, user: str, said: Mapping[str, Any], *, etag: str, digest: str = ""
    ) -> NoticeSettings:
        """Returns what `update` would save, under the present version. Saves nothing."""
        async with self.db.connect() as connection:
            found = await notice_settings.get(connection, workspace, user)
            return await self._change(connection, found, said, etag, digest)

    async def _change(
        self,
        connection: AsyncConnection,
        found: NoticeSettings,
        said: Mapping[str, Any],
        etag: str,
        digest: str,
    ) -> NoticeSettings:
        check_etag(etag, etag_of(found), name=found.resource)
        changed = replace(found, **said)
        if "quiet_hours" in said:
            _check_quiet_hours(changed.quiet_hours)
        if "routes" in said:
            await self._check_routes(connection, changed)
        check_digest(digest, payload_digest(changed), name=found.resource)
        return changed

    async def _check_routes(self, connection: AsyncConnection, changed: NoticeSettings) -> None:
        places = [
            (f"{ROUTES}[{route}].places[{number}]", place)
            for route, places in enumerate(changed.routes.values())
            for number, place in enumerate(places)
            if place != INBOX
        ]
        if not places:
            return
        faults = await self.check_places(
            connection,
            workspace=changed.workspace,
            user=changed.user,
            names=sorted({place for _, place in places}),
        )
        violations = [
            errors.FieldViolation(
                field=field, description=faults[place], reason=errors.FieldReason.UNKNOWN_NAME
            )
            for field, place in places
            if place in faults
        ]
        if violations:
            raise errors.InvalidRequest(violations)


def etag_of(found: NoticeSettings) -> str:
    return compute_etag(found.resource, found.user, found.version)


def payload_digest(found: NoticeSettings) -> str:
    """Returns the digest of what an update may change."""
    quiet = found.quiet_hours
    return canonical_json.digest(
        {
            "routes": {kind.value: list(places) for kind, places in found.routes.items()},
            "quiet_hours": None
            if quiet is None
            else [
                quiet.time_zone,
                quiet.start.isoformat(),
                quiet.end.isoformat(),
                sorted(quiet.days),
            ],
            "failure_interval": int(found.failure_interval.total_seconds()),
            "approval_delay": int(found.approval_delay.total_seconds()),
        }
    )


def _check_quiet_hours(quiet: QuietHours | None) -> None:
    if quiet is None:
        return
    try:
        zones.check(quiet.time_zone)
    except ValueError as error:
        raise errors.invalid("notice_settings.quiet_hours.time_zone", str(error)) from None
    if quiet.is_endless:
        raise errors.invalid(
            "notice_settings.quiet_hours.days",
            "would never end: they are whole days on every day; leave a day out, or choose no "
            "place for the notices that you do not want",
        )
