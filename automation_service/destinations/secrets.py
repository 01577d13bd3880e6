"""Secrets of destinations: stored encrypted, and read only where something is sent."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.destinations.settings import SplitSettings
from automation_service.persistence.outbox import destinations as rows
from automation_service.persistence.outbox.destinations import Destination
from shared import errors
from shared.db import database
from shared.security.secretbox import DecryptionError, SecretBox
from shared.settings import SECRET_KEYS
from shared.telemetry import logs

BATCH: Final = 100

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSecrets:
    """Without a box a destination with secrets can neither be stored nor read:
    EncryptionUnavailable."""

    box: SecretBox | None

    def seal(self, secrets: Mapping[str, Any], *, bound_to: str) -> bytes | None:
        """Encrypts secrets for their place. None when there are none."""
        if not secrets:
            return None
        return self._box().seal(json.dumps(dict(sorted(secrets.items()))), bound_to=bound_to)

    def split(self, found: Destination) -> SplitSettings:
        """Returns the settings of a destination with its secrets."""
        return SplitSettings(
            kind=found.kind, host=found.host, shown=found.settings, secrets=self._open(found)
        )

    def digest(self, found: Destination) -> str:
        """Returns what tells the secrets of a destination from others; empty without any."""
        if found.secrets is None:
            return ""
        secrets = json.dumps(dict(sorted(self._open(found).items())))
        return self._box().digest(secrets, bound_to=found.bound_to)

    async def reencrypt(self, db: AsyncEngine) -> int:
        """Encrypts secrets of older keys with the first key. Returns the number of destinations.

        Skips one that no key decrypts, since that key may come back.
        """
        box, count = self._box(), 0
        after: UUID | None = None
        while True:
            async with database.transaction(db) as connection:
                found = await rows.list_with_other_key(connection, box.prefix, BATCH, after=after)
                for one in found:
                    with contextlib.suppress(errors.EncryptionUnavailable):
                        sealed = self.seal(self._open(one), bound_to=one.bound_to)
                        await rows.update_columns(connection, one.id, {"secrets": sealed})
                        count += 1
            if len(found) < BATCH:
                return count
            after = found[-1].id

    async def rotate(self, db: AsyncEngine) -> None:
        """Does what `reencrypt` does when the service starts. A fault is only logged."""
        if self.box is None:
            return  # without a key there are no secrets
        try:
            if count := await self.reencrypt(db):
                log.info("destination_secrets_resealed", count=count)
        except Exception as error:  # noqa: BLE001 - the next start may succeed
            database.log_fault(log, "reseal_failed", error)

    def _open(self, found: Destination) -> dict[str, Any]:
        if found.secrets is None:
            return {}
        try:
            text = self._box().open(found.secrets, bound_to=found.bound_to)
        except DecryptionError:
            raise errors.EncryptionUnavailable(SECRET_KEYS) from None
        opened: dict[str, Any] = json.loads(text)
        return opened

    def _box(self) -> SecretBox:
        if self.box is None:
            raise errors.EncryptionUnavailable(SECRET_KEYS)
        return self.box
