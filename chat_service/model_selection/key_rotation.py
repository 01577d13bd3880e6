"""Encryption of users' API keys and headers with the newest of the service's keys."""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.persistence import model_configs
from chat_service.persistence.model_configs import OwnModel
from shared.db import database
from shared.security.secretbox import DecryptionError, SecretBox
from shared.telemetry import logs

_BATCH_SIZE: Final = 100

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotation:
    model_loader: ModelLoader

    async def rotate(self) -> None:
        """Encrypts every API key and header with the first of ROTA_SECRET_KEYS.

        Skips one that no key decrypts, since that key may come back.
        """
        box = self.model_loader.box
        if box is None:
            return
        after, resealed, shut = 0, 0, 0
        while True:
            async with database.transaction(self.model_loader.db) as connection:
                rows = await model_configs.list_with_other_key(
                    connection, box.prefix, after=after, limit=_BATCH_SIZE
                )
                for row in rows:
                    done = await _seal_again(connection, box, row)
                    resealed, shut = resealed + done, shut + (not done)
            if len(rows) < _BATCH_SIZE:
                break
            after = rows[-1].id
        if resealed or shut:
            log.info("model_keys_resealed", resealed=resealed, no_key_opens=shut)


async def _seal_again(connection: AsyncConnection, box: SecretBox, row: OwnModel) -> bool:
    def sealed(secret: bytes | None, bound_to: str) -> bytes | None:
        return (
            None
            if secret is None
            else box.seal(box.open(secret, bound_to=bound_to), bound_to=bound_to)
        )

    try:
        again = replace(
            row,
            api_key=sealed(row.api_key, row.bound_to),
            extra_headers=sealed(row.extra_headers, row.headers_bound_to),
        )
    except DecryptionError:
        return False
    await model_configs.replace_secrets(connection, again)
    return True
