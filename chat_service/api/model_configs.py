"""The RPC methods of model configs: those of the models file and those that users add."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from google.protobuf import empty_pb2
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.api.resource import ResourceServicer
from chat_service.llm import custom_endpoint
from chat_service.llm.features.request_options import OwnRequestOptions
from chat_service.llm.probe.model_probe import ModelProbe
from chat_service.model_selection import llm_bundle, model_suggestion
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.model_selection.model_tests import ModelTests
from chat_service.persistence import model_configs
from chat_service.persistence.model_configs import OwnModel
from chat_service.turns import accounting
from shared import aip, errors, resources
from shared.db import database
from shared.json import canonical_json
from shared.json.json_path import join_path
from shared.rpc.access import Role
from shared.rpc.idempotency import IdempotencyKey
from shared.rpc.messages import struct
from shared.security.egress import look_up_for
from shared.security.secretbox import DecryptionError
from shared.settings import SECRET_KEYS
from shared.text.invisible_characters import name_fault
from shared.validation.violations import describe_fault

MAX_MODELS: Final = 50  # of one user in one workspace
_HINT: Final = 4
_HINTED_FROM: Final = 16
# of a row, and their fields in the API
_TESTED: Final = ("supports_images", "context_tokens", "settings")
_PATHS: Final = {"supports_images": "image_support"}
_SECRETS: Final = ("api_key", "extra_headers")
_FIELDS: Final = (
    *("display_name", "model", "image_support", "base_url", "context_tokens", "settings"),
    *_SECRETS,
)


@dataclass(frozen=True, kw_only=True)
class ModelConfigServicer(ResourceServicer):
    model_loader: ModelLoader
    model_tests: ModelTests

    async def CreateModelConfig(
        self, request: pb.CreateModelConfigRequest, context: Any
    ) -> pb.ModelConfig:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        who = await self.access.admit(request.parent, "editor")
        row = self._new_own_model(request.model_config, workspace, who.user, self.clock.now())
        if request.validate_only:
            self._encrypt(row, request.model_config)  # it may be unavailable
            return aip.clear_identity(convert.own_model(row))
        key = IdempotencyKey.of(
            request, rpc="CreateModelConfig", workspace=workspace, user=who.user
        )

        async def make() -> str:
            await self._check_room(connection, workspace, who.user, request.parent)
            found = replace(row, id=await model_configs.allocate_id(connection))
            sealed = self._encrypt(found, request.model_config)
            await model_configs.insert(connection, sealed)
            return str(found.id)

        async with database.transaction(self.db) as connection:
            made, _ = await self.idempotency.run(connection, key, make)
            return convert.own_model(
                await self._get_own_model(connection, int(made), workspace, who.user)
            )

    async def GetModelConfig(
        self, request: pb.GetModelConfigRequest, context: Any
    ) -> pb.ModelConfig:
        workspace, config_id, user = await self._admit_model(request.name, "viewer")
        if config_id < 0:
            return convert.file_model(self.model_loader.models[config_id], workspace)
        async with self.db.connect() as connection:
            return convert.own_model(
                await self._get_own_model(connection, config_id, workspace, user)
            )

    async def ListModelConfigs(
        self, request: pb.ListModelConfigsRequest, context: Any
    ) -> pb.ListModelConfigsResponse:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        who = await self.access.admit(request.parent, "viewer")
        page = self.pages.read(request)
        async with self.db.connect() as connection:
            own = await model_configs.list_by_owner(connection, workspace=workspace, user=who.user)
        of_file = sorted(self.model_loader.models.values(), key=lambda config: -config.id)
        configs = [convert.file_model(config, workspace) for config in of_file]
        configs += [convert.own_model(row) for row in own]
        shown, token = aip.fill_page_of(
            page, configs, lambda config: config, lambda config: str(config.id)
        )
        return pb.ListModelConfigsResponse(model_configs=shown, next_page_token=token)

    async def UpdateModelConfig(
        self, request: pb.UpdateModelConfigRequest, context: Any
    ) -> pb.ModelConfig:
        asked = request.model_config
        workspace, config_id, user = await self._admit_own_model(asked.name)
        fields = _masked(request)
        key = IdempotencyKey.of(request, rpc="UpdateModelConfig", workspace=workspace, user=user)

        async def make() -> str:
            row = await self._get_own_model(connection, config_id, workspace, user, lock=True)
            _check_etag(row, asked.etag)
            changes = self._model_changes(row, asked, fields)
            if any(getattr(row, name) != value for name, value in changes.items()):
                await model_configs.update(connection, row.id, self.clock.now(), changes)
            saved = convert.model_config_digest(
                await self._get_own_model(connection, config_id, workspace, user)
            )
            aip.check_digest(request.payload_digest, saved, name=asked.name)
            return str(config_id)

        async with database.transaction(self.db) as connection:
            if request.validate_only:
                before = await self._get_own_model(connection, config_id, workspace, user)
                await make()
                row = await self._get_own_model(connection, config_id, workspace, user)
                await connection.rollback()
                return convert.own_model(
                    replace(row, update_time=before.update_time),
                    etag=convert.model_config_etag(before),
                    payload_digest=convert.model_config_digest(row),
                )
            await self.idempotency.run(connection, key, make)
            return convert.own_model(
                await self._get_own_model(connection, config_id, workspace, user)
            )

    async def DeleteModelConfig(
        self, request: pb.DeleteModelConfigRequest, context: Any
    ) -> empty_pb2.Empty:
        workspace, config_id, user = await self._admit_own_model(request.name)
        key = IdempotencyKey.of(request, rpc="DeleteModelConfig", workspace=workspace, user=user)

        async def make() -> str:
            row = await self._get_own_model(connection, config_id, workspace, user, lock=True)
            _check_etag(row, request.etag)
            await model_configs.delete(connection, row)
            return str(config_id)

        async with database.transaction(self.db) as connection:
            await self.idempotency.run(connection, key, make)
        return empty_pb2.Empty()

    async def TestModelConfig(
        self, request: pb.TestModelConfigRequest, context: Any
    ) -> pb.TestModelConfigResponse:
        of_file = llm_bundle.is_of_file(resources.MODEL_CONFIG.parse(request.name))
        workspace, config_id, user = await self._admit_model(
            request.name, "owner" if of_file else "editor"
        )
        row: OwnModel | None = None
        if config_id < 0:
            bundle = self.model_loader.bundle_of_file(config_id)
        else:
            async with self.db.connect() as connection:
                row = await self._get_own_model(connection, config_id, workspace, user)
            bundle = self.model_loader.bundle_of(row)
        probe = ModelProbe(model=bundle)
        async with self.model_tests.run(user, request.name, probe.meter, bundle.config):
            with look_up_for(workspace):
                report = await probe.run()
        used = convert.usage(accounting.add_calls({}, probe.meter.usage()))
        if row is None:
            shown = convert.file_model(bundle.config, workspace)
            return convert.model_test(report, shown, (), used)
        fitting = model_suggestion.suggest(row, report)
        changes = [name for name in _TESTED if getattr(row, name) != getattr(fitting, name)]
        paths = [_PATHS.get(name, name) for name in changes]
        return convert.model_test(report, convert.own_model(fitting), paths, used)

    async def _admit_model(self, name: str, role: Role) -> tuple[str, int, str]:
        """Admits the caller and returns workspace, id and user."""
        parts = resources.MODEL_CONFIG.parse(name)
        who = await self.access.admit(name, role)
        config_id = llm_bundle.parse_id(parts["model_config"])
        if config_id is None or (config_id < 0 and config_id not in self.model_loader.models):
            raise errors.ResourceNotFound(name)
        return parts["workspace"], config_id, who.user

    async def _admit_own_model(self, name: str) -> tuple[str, int, str]:
        workspace, config_id, user = await self._admit_model(name, "editor")
        if config_id < 0:
            who = await self.access.admit(name, "editor")
            raise errors.PermissionDenied(role=who.workspaces[workspace], needs="operator")
        return workspace, config_id, user

    async def _get_own_model(
        self,
        connection: AsyncConnection,
        config_id: int,
        workspace: str,
        user: str,
        *,
        lock: bool = False,
    ) -> OwnModel:
        found = await model_configs.get(
            connection, config_id, workspace=workspace, user=user, lock=lock
        )
        if found is None:
            raise errors.ResourceNotFound(convert.model_config_name(workspace, config_id))
        return found

    async def _check_room(
        self, connection: AsyncConnection, workspace: str, user: str, parent: str
    ) -> None:
        await model_configs.lock_owner(connection, workspace=workspace, user=user)
        own = await model_configs.list_by_owner(connection, workspace=workspace, user=user)
        if len(own) >= MAX_MODELS:
            raise errors.StateConflict(parent, f"at its limit of {MAX_MODELS} models of one person")

    def _new_own_model(
        self, asked: pb.ModelConfig, workspace: str, user: str, now: datetime
    ) -> OwnModel:
        display_name = asked.display_name.strip() or asked.model.strip()
        _require(model=asked.model, base_url=asked.base_url)
        _require_names(display_name=display_name, model=asked.model.strip())
        options = _read_options(asked)
        return OwnModel(
            id=0,
            workspace_id=workspace,
            user_id=user,
            display_name=display_name,
            model=asked.model.strip(),
            base_url=custom_endpoint.check_endpoint(asked.base_url, local=self.model_loader.local),
            api_key=None,
            key_hint=_hint(asked.api_key),
            supports_images=convert.IMAGE_SUPPORT_FROM_PROTO[asked.image_support],
            context_tokens=asked.context_tokens or None,
            settings=options.stored(),
            header_names=sorted(options.extra_headers) or None,
            revision=1,
            create_time=now,
            update_time=now,
        )

    def _model_changes(
        self, row: OwnModel, asked: pb.ModelConfig, fields: Sequence[str]
    ) -> dict[str, Any]:
        texts = {f: getattr(asked, f) for f in ("display_name", "model", "base_url") if f in fields}
        _require(**texts)
        changes: dict[str, Any] = {f: text.strip() for f, text in texts.items()}
        _require_names(**changes)
        if "base_url" in fields:
            changes["base_url"] = custom_endpoint.check_endpoint(
                asked.base_url, local=self.model_loader.local
            )
        if "image_support" in fields:
            changes["supports_images"] = convert.IMAGE_SUPPORT_FROM_PROTO[asked.image_support]
        if "context_tokens" in fields:
            changes["context_tokens"] = asked.context_tokens or None
        options = _read_options(asked)
        if "settings" in fields:
            changes["settings"] = options.stored()
        moved = changes.get("base_url", row.base_url) != row.base_url
        if "api_key" in fields or moved:
            key = asked.api_key if "api_key" in fields else ""
            if moved or not self._is_key(row, key):
                changes |= {"api_key": self._seal(key, row.bound_to), "key_hint": _hint(key)}
        if "extra_headers" in fields or moved:
            headers = _headers_json(asked) if "extra_headers" in fields else ""
            if moved or not self._is_sealed(row.extra_headers, row.headers_bound_to, headers):
                changes["extra_headers"] = self._seal(headers, row.headers_bound_to)
                changes["header_names"] = sorted(asked.extra_headers) if headers else None
        return changes

    def _is_key(self, row: OwnModel, key: str) -> bool:
        """Whether a model has this key already; False if its own can't be read."""
        return self._is_sealed(row.api_key, row.bound_to, key)

    def _is_sealed(self, secret: bytes | None, bound_to: str, text: str) -> bool:
        if secret is None or self.model_loader.box is None:
            return False
        try:
            return self.model_loader.box.open(secret, bound_to=bound_to) == text
        except DecryptionError:
            return False

    def _encrypt(self, row: OwnModel, asked: pb.ModelConfig) -> OwnModel:
        """Returns the row with its secrets, sealed for its id. Raises EncryptionUnavailable."""
        return replace(
            row,
            api_key=self._seal(asked.api_key, row.bound_to),
            extra_headers=self._seal(_headers_json(asked), row.headers_bound_to),
        )

    def _seal(self, text: str, bound_to: str) -> bytes | None:
        if not text:
            return None
        if self.model_loader.box is None:
            raise errors.EncryptionUnavailable(SECRET_KEYS)
        return self.model_loader.box.seal(text, bound_to=bound_to)


def _masked(request: pb.UpdateModelConfigRequest) -> Sequence[str]:
    present = [field.name for field, _ in request.model_config.ListFields()]
    paths = request.update_mask.paths
    if request.model_config.id and aip.is_whole(paths):
        of_name = resources.MODEL_CONFIG.parse(request.model_config.name)["model_config"]
        aip.require_same("model_config.id", str(request.model_config.id), of_name)
    fields = aip.resolve_mask(
        paths,
        allowed=_FIELDS,
        present=present,
        prefix="model_config",
        kind=pb.ModelConfig,
    )
    # Reads never return secrets, so a caller that writes back what it read has none.
    if list(paths) == ["*"]:
        return [f for f in fields if f not in _SECRETS or getattr(request.model_config, f)]
    return fields


def _read_options(asked: pb.ModelConfig) -> OwnRequestOptions:
    """Returns the settings and headers. Raises InvalidRequest."""
    try:
        told = convert.stored_settings(asked.settings)
        return OwnRequestOptions.model_validate(
            {**told, "extra_headers": dict(asked.extra_headers)}
        )
    except ValidationError as exc:
        raise errors.InvalidRequest([_fault(one) for one in exc.errors()]) from None
    except canonical_json.NotCanonical as exc:
        raise struct.refuse(exc, "model_config.settings.extra_body") from None


def _fault(fault: ErrorDetails) -> errors.FieldViolation:
    where, *more = fault["loc"]
    named = [name for name in more if name != "[key]"] if where == "extra_headers" else []
    base = "model_config" if where == "extra_headers" else "model_config.settings"
    # never what was given: a header may hold a secret
    said = describe_fault(fault)
    return errors.FieldViolation(
        field=join_path(base, [where, *named[:1]]), description=said[:1].lower() + said[1:]
    )


def _headers_json(asked: pb.ModelConfig) -> str:
    headers = dict(sorted(asked.extra_headers.items()))
    return json.dumps(headers) if headers else ""


def _require(**texts: str) -> None:
    missing = [
        errors.FieldViolation(
            field=f"model_config.{field}",
            description="is required",
            reason=errors.FieldReason.REQUIRED,
        )
        for field, text in texts.items()
        if not text.strip()
    ]
    if missing:
        raise errors.InvalidRequest(missing)


def _require_names(**texts: str) -> None:
    faults = [
        errors.FieldViolation(
            field=f"model_config.{field}",
            description=fault,
            reason=errors.FieldReason.INVISIBLE_CHARACTER,
        )
        for field, text in texts.items()
        if (fault := name_fault(text))
    ]
    if faults:
        raise errors.InvalidRequest(faults)


def _check_etag(row: OwnModel, etag: str) -> None:
    name = convert.model_config_name(row.workspace_id, row.id)
    aip.check_etag(etag, convert.model_config_etag(row), name=name)


def _hint(key: str) -> str:
    return key[-_HINT:] if len(key) >= _HINTED_FROM else ""
