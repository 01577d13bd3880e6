"""Calls about models: the service's, and the caller's own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rota_client.calls import Calls, new_id
from rota_client.gen.google.protobuf import FieldMask
from rota_client.gen.rota.chat import v1 as chat_v1
from rota_client.names import complete_name
from rota_client.pager import Pager

_COLLECTION: Final = "modelConfigs"


class Models:
    """The methods of RotaClient about models."""

    workspace: str
    chat: chat_v1.ChatServiceStub
    _calls: Calls

    def list_models(self, *, page_token: str = "") -> Pager[chat_v1.ModelConfig]:
        """Lists the service's models, best first, then the caller's own."""
        return self._calls.pager(
            self.chat.list_model_configs,
            chat_v1.ListModelConfigsRequest(parent=self.workspace),
            lambda page: page.model_configs,
            page_token,
        )

    async def add_model(
        self, config: chat_v1.ModelConfig, *, request_id: str = ""
    ) -> chat_v1.ModelConfig:
        """Adds a model of the caller. The service encrypts `api_key` and never returns it."""
        request = chat_v1.CreateModelConfigRequest(
            parent=self.workspace, model_config=config, request_id=request_id or new_id()
        )
        return await self._calls.unary(self.chat.create_model_config, request)

    async def update_model(
        self, config: chat_v1.ModelConfig, paths: Sequence[str], *, request_id: str = ""
    ) -> chat_v1.ModelConfig:
        """Changes the fields `paths` of a model of the caller, named by its name or id."""
        named = replace(config, name=complete_name(self.workspace, _COLLECTION, config.name))
        request = chat_v1.UpdateModelConfigRequest(
            model_config=named,
            update_mask=FieldMask(paths=list(paths)),
            request_id=request_id or new_id(),
        )
        return await self._calls.unary(self.chat.update_model_config, request)

    async def test_model(self, model: str) -> chat_v1.TestModelConfigResponse:
        """Tries what a model takes, by id or name, with at most 10 small calls.

        Changes nothing: `update_model(found.suggested, found.changes.paths)` saves what fits.
        """
        name = complete_name(self.workspace, _COLLECTION, model)
        request = chat_v1.TestModelConfigRequest(name=name)
        return await self._calls.unary(self.chat.test_model_config, request)

    async def remove_model(self, model: str) -> None:
        """Deletes a model of the caller, by id or name, with its key."""
        name = complete_name(self.workspace, _COLLECTION, model)
        request = chat_v1.DeleteModelConfigRequest(name=name, request_id=new_id())
        await self._calls.unary(self.chat.delete_model_config, request)
