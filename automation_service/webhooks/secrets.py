"""Secrets of webhooks: created, shown once, stored encrypted."""

import base64
import contextlib
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.channels.settings import SECRET_PREFIX
from automation_service.persistence import webhooks as rows
from automation_service.persistence.webhooks import Webhook
from shared import errors
from shared.db import database
from shared.security.secretbox import DecryptionError, SecretBox
from shared.settings import SECRET_KEYS

SECRET_BYTES: Final = 32
# How long the previous secret still signs.
OVERLAP: Final = timedelta(hours=24)
BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecrets:
    """Without a box every method raises EncryptionUnavailable."""

    box: SecretBox | None

    def create(self, workspace: str, now: datetime) -> tuple[str, dict[str, Any]]:
        """Creates a secret. Returns it with the columns to store."""
        secret = SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()
        sealed = self._box().seal(secret, bound_to=_place(workspace))
        return secret, {"secret": sealed, "secret_create_time": now}

    def keep_previous(self, webhook: Webhook, now: datetime, *, revoked: bool) -> dict[str, Any]:
        """Returns the columns of the replaced secret: empty if `revoked`, else for OVERLAP."""
        return {
            "previous_secret": None if revoked else webhook.secret,
            "previous_secret_expire_time": None if revoked else now + OVERLAP,
        }

    def list_active(self, webhook: Webhook, now: datetime) -> list[str]:
        """Returns the secrets that sign at a moment, newest first."""
        sealed = [webhook.secret]
        until = webhook.previous_secret_expire_time
        if webhook.previous_secret is not None and until is not None and now < until:
            sealed.append(webhook.previous_secret)
        return [self._open(webhook.workspace, secret) for secret in sealed]

    async def reencrypt(self, db: AsyncEngine) -> int:
        """Encrypts secrets of older keys with the first key. Returns the number of webhooks."""
        box, count, after = self._box(), 0, ""
        while True:
            async with database.transaction(db) as connection:
                found = await rows.claim_old_keys(connection, box.prefix, BATCH, after=after)
                for webhook in found:
                    with contextlib.suppress(errors.EncryptionUnavailable):
                        await self._reencrypt(connection, webhook)
                        count += 1
            if len(found) < BATCH:
                return count
            after = found[-1].workspace

    async def _reencrypt(self, connection: AsyncConnection, webhook: Webhook) -> None:
        secret = self._encrypt_anew(webhook.workspace, webhook.secret)
        before = webhook.previous_secret
        previous = None if before is None else self._encrypt_anew(webhook.workspace, before)
        await rows.update_secrets(connection, webhook.workspace, secret, previous)

    def _encrypt_anew(self, workspace: str, sealed: bytes) -> bytes:
        return self._box().seal(self._open(workspace, sealed), bound_to=_place(workspace))

    def _open(self, workspace: str, sealed: bytes) -> str:
        try:
            return self._box().open(sealed, bound_to=_place(workspace))
        except DecryptionError:
            raise errors.EncryptionUnavailable(SECRET_KEYS) from None

    def _box(self) -> SecretBox:
        if self.box is None:
            raise errors.EncryptionUnavailable(SECRET_KEYS)
        return self.box


def _place(workspace: str) -> str:
    return f"automation.webhooks/{workspace}/secret"
