"""A test of a model: who may, what it costs, and that it changes nothing."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.chat_service.own_models import KEY, add, change
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model
from tests.support.model_providers.provider_refusals import has
from tests.support.model_providers.scripted_model import (
    DONE,
    End,
    Refused,
    Reply,
    ends,
    says,
    scripted_model,
)
from tests.support.system.chat import WORKSPACE, Chat

PRICE = {"input_price": 1_000_000, "output_price": 1_000_000}
SECRET = "team-secret-4711-of-nobody"
CREDIT = 5_000_000


def plain(asked: dict[str, Any]) -> Reply:
    return [says('{"word": "ok"}'), ends(), DONE]


def picky(asked: dict[str, Any]) -> Reply:
    for part in ("json_schema", "stream_options"):
        if has(part, asked):
            return [Refused(400, {"message": f"{part} is not supported", "code": "no_such_part"})]
    return plain(asked)


@pytest.fixture
async def chat(serve: Serving) -> Chat:
    return await serve(model(-1, "demo-file", premium=True, **PRICE), local_models=True)


async def ask_test(chat: Chat, name: str, metadata: Any = None) -> pb.TestModelConfigResponse:
    found: pb.TestModelConfigResponse = await chat.stub.TestModelConfig(
        pb.TestModelConfigRequest(name=name), metadata=metadata or chat.metadata
    )
    return found


def outcomes(found: pb.TestModelConfigResponse) -> dict[str, str]:
    return {one.feature: pb.FeatureTest.Outcome.Name(one.outcome) for one in found.features}


async def test_what_fits_is_suggested_and_written_only_by_an_update(chat: Chat) -> None:
    async with scripted_model(answer=picky) as provider:
        own = await add(
            chat,
            provider.base_url,
            settings=pb.RequestSettings(temperature=1, leave_out=["tools", "seed"]),
            extra_headers={"X-Team": SECRET},
        )
        found = await ask_test(chat, own.name)

    told = outcomes(found)
    assert (told["connection"], told["json_schema"], told["stream_options"]) == (
        *("WORKS", "REFUSED", "REFUSED"),
    )
    named = next(one for one in found.features if one.feature == "json_schema")
    assert named.metadata["status"] == "400"
    assert named.metadata["code"] == "no_such_part"
    assert set(found.changes.paths) == {"image_support", "settings"}
    settings = found.suggested.settings
    assert (settings.response_format, settings.temperature) == ("json_object", 1)
    assert list(settings.leave_out) == ["seed", "stream_options", "tools"]
    assert 0 < found.usage.model_calls <= 10
    assert SECRET not in str(found)
    assert KEY not in str(found)
    now = await chat.stub.GetModelConfig(
        pb.GetModelConfigRequest(name=own.name), metadata=chat.metadata
    )
    assert now == own
    one = found.suggested
    saved = await change(
        chat, *found.changes.paths, name=one.name, etag=one.etag, settings=one.settings,
        image_support=one.image_support,
    )  # fmt: skip
    assert saved.settings == settings
    assert saved.image_support == pb.ModelConfig.IMAGES
    assert list(saved.extra_header_names) == ["X-Team"]


async def test_an_endpoint_that_refuses_the_key_is_an_answer_without_changes(chat: Chat) -> None:
    refused = Refused(401, {"message": f"Bad key {KEY}", "code": "invalid_api_key"})
    async with scripted_model(answer=lambda _: [refused]) as provider:
        own = await add(chat, provider.base_url)
        found = await ask_test(chat, own.name)

    connection = found.features[0]
    assert (connection.feature, connection.outcome) == ("connection", pb.FeatureTest.FAILED)
    assert connection.detail == "the model's provider refused the key"
    assert dict(connection.metadata) == {
        "status": "401",
        "code": "invalid_api_key",
        "account": "refused",
    }
    assert not found.changes.paths
    assert found.suggested == own
    assert KEY not in str(found)


async def test_one_test_at_a_time_and_a_cut_one_makes_room(chat: Chat) -> None:
    async with scripted_model(answer=lambda _: [End.OPEN]) as provider:
        own = await add(chat, provider.base_url)
        first = asyncio.ensure_future(ask_test(chat, own.name))
        while not provider.asked:
            await asyncio.sleep(0.01)
        refused = await refusal(ask_test(chat, own.name))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert (refused.code.name, refused.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    async with asyncio.timeout(20):
        while await running(chat):
            await asyncio.sleep(0.01)


async def running(chat: Chat) -> int:
    async with chat.engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(tables.model_tests)
        return int(await connection.scalar(count) or 0)


async def test_a_test_of_the_services_model_is_charged(chat: Chat, demo: DemoServer) -> None:
    found = await ask_test(chat, f"{WORKSPACE}/modelConfigs/-1")

    assert outcomes(found)["connection"] == "WORKS"
    assert not found.changes.paths
    assert (found.suggested.id, found.suggested.own) == (-1, False)
    assert found.usage.cost_micros > 0
    t = tables.credit_reservations
    async with chat.engine.connect() as connection:
        (row,) = (await connection.execute(sa.select(t))).mappings()
    assert row["used_micros"] == found.usage.cost_micros
    assert row["settle_time"] is not None


@pytest.mark.parametrize(
    ("role", "name", "reason"),
    [
        ("viewer", "own", "PERMISSION_DENIED"),
        ("editor", "-1", "PERMISSION_DENIED"),
        ("owner", "-7", "RESOURCE_NOT_FOUND"),
        ("owner", "99999", "RESOURCE_NOT_FOUND"),
    ],
)
async def test_a_test_needs_the_role(
    chat: Chat, keys: Keys, role: str, name: str, reason: str
) -> None:
    own = await add(chat, "https://models.example.org/v1") if name == "own" else None
    token = keys.user_token(workspaces={"w": role})
    named = own.name if own else f"{WORKSPACE}/modelConfigs/{name}"
    refused = await refusal(ask_test(chat, named, [("authorization", f"Bearer {token}")]))
    assert refused.reason == reason
