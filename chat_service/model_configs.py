"""The models that may be chosen, as callers see them."""

from collections.abc import Mapping
from dataclasses import dataclass

from rota.chat.v1 import chat_pb2 as pb

from chat_service.agent.model import ModelConfig
from chat_service.members import Members
from chat_service.threads import page_of
from shared import errors, resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfigs:
    members: Members
    models: Mapping[int, ModelConfig]

    async def list(self, request: pb.ListModelConfigsRequest) -> pb.ListModelConfigsResponse:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        await self.members.admit(workspace, "viewer", name=request.parent)
        page = page_of(request)
        start = _start(page.after)
        configs = sorted(self.models.values(), key=lambda config: -config.id)
        shown = configs[start : start + page.size]
        more = start + page.size < len(configs)
        return pb.ListModelConfigsResponse(
            model_configs=[_shown(config) for config in shown],
            next_page_token=page.token([start + page.size] if more else None),
        )


def _start(after: object) -> int:
    match after:
        case None:
            return 0
        case [int(start)]:
            return start
    raise errors.invalid("page_token", "is not a token of this service")


def _shown(config: ModelConfig) -> pb.ModelConfig:
    support = {
        None: pb.ModelConfig.IMAGE_SUPPORT_UNSPECIFIED,
        True: pb.ModelConfig.IMAGES,
        False: pb.ModelConfig.TEXT_ONLY,
    }
    return pb.ModelConfig(
        id=config.id,
        display_name=config.display_name,
        model=config.model,
        image_support=support[config.supports_images],
        premium=config.premium,
        auto_eligible=config.auto_eligible,
    )
