"""What tests of people's own models share."""

from typing import Any

import sqlalchemy as sa
from google.protobuf.field_mask_pb2 import FieldMask
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from devstack.demo_model import DemoServer
from tests.support.system.chat import Chat

KEY = "sk-canary-5f0c9a-never-shown-7731"


def config(at: DemoServer | str, **fields: Any) -> pb.ModelConfig:
    base_url = at if isinstance(at, str) else at.base_url
    given = {"model": "demo-mine", "base_url": base_url, "api_key": KEY, **fields}
    return pb.ModelConfig(**given)


async def add(chat: Chat, at: DemoServer | str, **fields: Any) -> pb.ModelConfig:
    request = pb.CreateModelConfigRequest(parent=chat.workspace, model_config=config(at, **fields))
    made: pb.ModelConfig = await chat.stub.CreateModelConfig(request, metadata=chat.metadata)
    return made


async def change(chat: Chat, *paths: str, **fields: Any) -> pb.ModelConfig:
    request = pb.UpdateModelConfigRequest(
        model_config=pb.ModelConfig(**fields), update_mask=FieldMask(paths=paths)
    )
    changed: pb.ModelConfig = await chat.stub.UpdateModelConfig(request, metadata=chat.metadata)
    return changed


async def remove(chat: Chat, name: str) -> None:
    request = pb.DeleteModelConfigRequest(name=name)
    await chat.stub.DeleteModelConfig(request, metadata=chat.metadata)


async def listed(chat: Chat, metadata: Any = None) -> list[int]:
    request = pb.ListModelConfigsRequest(parent=chat.workspace)
    page = await chat.stub.ListModelConfigs(request, metadata=metadata or chat.metadata)
    return [one.id for one in page.model_configs]


async def pinned(chat: Chat, thread: str) -> int:
    found = await chat.stub.GetThread(pb.GetThreadRequest(name=thread), metadata=chat.metadata)
    return int(found.model_config_id)


async def pin(chat: Chat, config_id: int, metadata: Any = None) -> str:
    """A new thread with a pin."""
    request = pb.CreateThreadRequest(
        parent=chat.workspace, thread=pb.Thread(model_config_id=config_id, display_name="T")
    )
    made = await chat.stub.CreateThread(request, metadata=metadata or chat.metadata)
    return str(made.name)


async def sealed(chat: Chat) -> list[bytes | None]:
    t = tables.model_configs
    async with chat.engine.connect() as connection:
        query = sa.select(t.c.api_key).where(t.c.workspace_id == chat.workspace_id)
        return list(await connection.scalars(query.order_by(t.c.id)))
