"""Models, ready to be called, from the models file and from users."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.llm.config import CONTEXT_TOKENS, ModelBundle, ModelConfig
from chat_service.llm.features.request_options import RequestOptions
from chat_service.model_selection.feature_memory import FeatureMemory
from chat_service.persistence import model_configs
from chat_service.persistence.model_configs import OwnModel
from chat_service.persistence.turns import Turn
from shared import errors, resources
from shared.security.secretbox import DecryptionError, SecretBox
from shared.settings import SECRET_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoader:
    """`client` calls users' own models, `box` decrypts their keys.

    `local` allows their endpoints at local addresses. `models` are those of the models file,
    `memory` knows what models refuse.
    """

    db: AsyncEngine
    models: Mapping[int, ModelConfig]
    client: httpx2.AsyncClient
    box: SecretBox | None
    memory: FeatureMemory
    local: bool = False

    async def find_config(
        self, connection: AsyncConnection, config_id: int, *, workspace: str, user: str
    ) -> ModelConfig | None:
        """Returns a model without its key; None if the user has none under the id."""
        if config_id <= 0:
            return self.models.get(config_id)
        row = await model_configs.get(connection, config_id, workspace=workspace, user=user)
        return None if row is None else _config(row)

    async def config_of_turn(self, connection: AsyncConnection, turn: Turn) -> ModelConfig:
        """Returns the turn's model without its key. Raises ModelGone if it was removed."""
        found = await self.find_config(
            connection, turn.model_config_id, workspace=turn.workspace_id, user=turn.requested_by
        )
        if found is None:
            raise _model_gone(turn.model_config_id)
        return found

    async def load_bundle(self, turn: Turn) -> ModelBundle:
        """Returns the turn's model with its key.

        Raises ModelGone if it was removed, EncryptionUnavailable if its key can't be decrypted.
        """
        config_id = turn.model_config_id
        if config_id <= 0:
            return self.bundle_of_file(config_id)
        async with self.db.connect() as connection:
            row = await model_configs.get(
                connection, config_id, workspace=turn.workspace_id, user=turn.requested_by
            )
        if row is None:
            raise _model_gone(config_id)
        return self.bundle_of(row)

    def bundle_of_file(self, config_id: int) -> ModelBundle:
        """Returns a model of the models file. Raises ModelGone if it was removed."""
        config = self.models.get(config_id)
        if config is None:
            raise _model_gone(config_id)
        return ModelBundle(config=config, features=self.memory.of(config))

    def bundle_of(self, row: OwnModel) -> ModelBundle:
        """Returns a user's own model with its secrets. Raises EncryptionUnavailable."""
        headers = json.loads(self._open(row.extra_headers, row.headers_bound_to) or "{}")
        own = _config(row, self._open(row.api_key, row.bound_to), headers)
        return ModelBundle(config=own, client=self.client, features=self.memory.of(own))

    async def find_id(self, name: str, *, workspace: str, user: str) -> int:
        """Finds a model by its model name or display name, or a user's own by its resource name.

        Raises ModelGone if there is none.
        """
        for config in self.models.values():
            if name in (config.model, config.display_name):
                return config.id
        found = parse_own_id(name, workspace)
        if found is not None:
            async with self.db.connect() as connection:
                if await self.find_config(connection, found, workspace=workspace, user=user):
                    return found
        raise errors.ModelGone(f"no model {name!r} is configured", metadata={"model": name})

    def _open(self, secret: bytes | None, bound_to: str) -> str:
        if secret is None:
            return ""
        if self.box is None:
            raise errors.EncryptionUnavailable(SECRET_KEYS)
        try:
            return self.box.open(secret, bound_to=bound_to)
        except DecryptionError:
            raise errors.EncryptionUnavailable(SECRET_KEYS) from None


def parse_own_id(name: str, workspace: str) -> int | None:
    """Returns the id in the resource name of a user's own model; None for any other text."""
    parts = resources.MODEL_CONFIG.match(name, workspace=workspace)
    found = parse_id(parts["model_config"]) if parts else None
    return found if found is not None and found > 0 else None


def is_of_file(parts: Mapping[str, str]) -> bool:
    """Returns whether the parts of a resource name are those of a model of the models file."""
    found = parse_id(parts["model_config"])
    return found is not None and found < 0


def parse_id(text: str) -> int | None:
    """Returns the id of a resource name's last segment; None unless in canonical spelling."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or digits.startswith("0"):
        return None
    return int(text) if len(digits) <= 18 else None


def _config(
    row: OwnModel, api_key: str = "", headers: Mapping[str, str] | None = None
) -> ModelConfig:
    return ModelConfig(
        id=row.id,
        display_name=row.display_name,
        model=row.model,
        base_url=row.base_url,
        api_key=SecretStr(api_key),
        supports_images=row.supports_images,
        auto_eligible=False,
        context_tokens=row.context_tokens or CONTEXT_TOKENS,
        revision=row.revision,
        settings=RequestOptions.model_validate(row.settings or {}).settings(headers or {}),
    )


def _model_gone(config_id: int) -> errors.ModelGone:
    return errors.ModelGone(
        f"the model configuration {config_id} is gone", metadata={"model": str(config_id)}
    )
