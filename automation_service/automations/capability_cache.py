"""The last known catalogue of chat_service."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import capabilities as rows
from automation_service.persistence.capabilities import StoredCatalogue
from shared import errors
from shared.aio import wait_for_stop
from shared.clock import Clock
from shared.db import database
from shared.registries.actions.store import all_actions
from shared.registries.capabilities.types import Capability
from shared.registries.catalogue import Catalogue, TaskModel
from shared.registries.triggers.store import all_triggers
from shared.telemetry import logs

PEER: Final = "chat_service"
REFRESH_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 2.0

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityList:
    version: str
    entries: dict[str, Capability]
    models: Sequence[TaskModel] | None = None


class CapabilitySource(Protocol):
    async def capabilities(self, known_version: str) -> CapabilityList | None:
        """Returns the catalogue, or None when `known_version` is current. Raises RotaError."""
        ...


@dataclass(slots=True, kw_only=True)
class CapabilityCache:
    """A copy in memory and in the database, for times when chat_service is unreachable."""

    db: AsyncEngine
    source: CapabilitySource
    clock: Clock
    _list: CapabilityList | None = field(default=None, init=False)

    def catalogue(self) -> Catalogue:
        """Returns what definitions are checked against. Without capabilities tools go unchecked."""
        return Catalogue(
            actions=all_actions(),
            triggers=all_triggers(),
            capabilities=dict(self._list.entries) if self._list else None,
            models=self._list.models if self._list else None,
        )

    async def list(self) -> dict[str, Capability]:
        if self._list is None:
            await self.refresh()
        if self._list is None:
            raise errors.PeerUnavailable(PEER)
        return dict(self._list.entries)

    async def load(self) -> None:
        """Reads the copy that the database has."""
        async with self.db.connect() as connection:
            kept = await rows.find_catalogue(connection, PEER)
        if kept is not None:
            self._list = CapabilityList(
                # Without models an older process stored it: all of it is fetched again.
                version="" if kept.models is None else kept.version,
                entries={e["id"]: Capability(**e) for e in kept.entries},
                models=None if kept.models is None else [_model(m) for m in kept.models],
            )

    async def refresh(self) -> bool:
        """Fetches a newer catalogue. False when chat_service is unreachable."""
        known = self._list.version if self._list else ""
        try:
            found = await self.source.capabilities(known)
        except errors.RotaError as error:
            log.info("catalogue_not_fetched", reason=error.reason)
            return False
        if found is not None:
            entries = [_json(found.entries[key]) for key in sorted(found.entries)]
            async with database.transaction(self.db) as connection:
                await rows.save_catalogue(
                    connection,
                    PEER,
                    StoredCatalogue(
                        version=found.version,
                        entries=entries,
                        models=None if found.models is None else [asdict(m) for m in found.models],
                    ),
                    self.clock.now(),
                )
            self._list = found
            log.info("catalogue_fetched", version=found.version, capabilities=len(entries))
        return True

    async def follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            fetched = False
            try:
                fetched = await self.refresh()
            except Exception as error:  # noqa: BLE001 - the next try may succeed
                database.log_fault(log, "catalogue_failed", error)
            await wait_for_stop(stop, REFRESH_SECONDS if fetched else RETRY_SECONDS)


def _model(stored: Mapping[str, Any]) -> TaskModel:
    return TaskModel(names=tuple(stored["names"]), priced=stored["priced"], auto=stored["auto"])


def _json(capability: Capability) -> dict[str, Any]:
    return {
        "id": capability.id,
        "description": capability.description,
        "input_schema": capability.input_schema,
        "output_schema": capability.output_schema,
    }
