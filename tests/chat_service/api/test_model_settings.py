"""What a person sets for their own model: checked, stored, sent, and never given back if secret."""

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToJson
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from shared.json.json_path import join_path
from tests.chat_service.own_models import add, change, config
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model, models_file
from tests.support.model_providers.scripted_model import DONE, ends, says, scripted_model
from tests.support.system.chat import Chat

PUBLIC = "https://models.example.org/v1"
SECRET = "team-secret-4711-of-nobody"
HEADERS = {"X-Team-Key": SECRET, "HTTP-Referer": "https://rota.example/"}
HELLO = [says("Hello."), ends(), DONE]


def settings(**given: Any) -> pb.RequestSettings:
    body = given.pop("extra_body", None)
    if body is not None:
        found = struct_pb2.Struct()
        found.update(body)
        given["extra_body"] = found
    return pb.RequestSettings(**given)


ALL = settings(
    temperature=0.5,
    top_p=0.9,
    max_tokens=700,
    reasoning_effort="low",
    response_format="json_object",
    strict=False,
    tool_choice="auto",
    parallel_tool_calls=False,
    leave_out=["stream_options", "schema.pattern"],
    extra_body={"seed": 7, "provider": {"sort": "price"}},
)


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = models_file(tmp_path_factory.mktemp("models"), model(-1, "demo-file"))
    return {"models_file": path, "local_models": True}


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


async def read(chat: Chat, name: str) -> pb.ModelConfig:
    found: pb.ModelConfig = await chat.stub.GetModelConfig(
        pb.GetModelConfigRequest(name=name), metadata=chat.metadata
    )
    return found


async def test_settings_are_shown_and_of_headers_only_the_names(chat: Chat) -> None:
    own = await add(chat, PUBLIC, settings=ALL, extra_headers=HEADERS)
    found = await read(chat, own.name)

    assert found.settings == own.settings == ALL
    assert list(found.extra_header_names) == ["HTTP-Referer", "X-Team-Key"]
    assert not found.extra_headers
    assert SECRET not in MessageToJson(found) + MessageToJson(own)
    t = tables.model_configs
    async with chat.engine.connect() as connection:
        row = (
            (await connection.execute(sa.select(t).where(t.c.workspace_id == chat.workspace_id)))
            .mappings()
            .one()
        )
    assert SECRET not in repr(dict(row))


async def test_settings_change_and_are_taken_back_and_headers_stay_beside_them(chat: Chat) -> None:
    own = await add(chat, PUBLIC, settings=ALL, extra_headers=HEADERS)
    less = settings(temperature=1)
    changed = await change(chat, "settings", name=own.name, settings=less)
    assert changed.settings == less
    assert changed.etag != own.etag
    assert list(changed.extra_header_names) == ["HTTP-Referer", "X-Team-Key"]
    same = await change(chat, "settings", name=own.name, settings=less)
    assert same.etag == changed.etag
    everything = await change(
        chat, "*", name=own.name, model="m", base_url=PUBLIC, display_name="M"
    )
    assert not everything.HasField("settings")
    assert list(everything.extra_header_names) == ["HTTP-Referer", "X-Team-Key"]
    bare = await change(chat, "extra_headers", name=own.name)
    assert not bare.extra_header_names


async def test_a_new_address_takes_the_headers_away(chat: Chat) -> None:
    own = await add(chat, PUBLIC, extra_headers=HEADERS)
    moved = await change(chat, name=own.name, base_url="https://other.example.org/v1")
    assert not moved.extra_header_names


async def test_what_is_set_is_in_the_request_of_a_turn(chat: Chat) -> None:
    async with scripted_model(HELLO, HELLO, HELLO) as provider:
        given = settings(temperature=0.5, leave_out=["stream_options"], extra_body={"seed": 7})
        own = await add(chat, provider.base_url, settings=given, extra_headers=HEADERS)
        events = await chat.send("hello", model_config_id=own.id)

    assert events[-1].HasField("completed")
    for asked in provider.asked:
        assert (asked["temperature"], asked["seed"]) == (0.5, 7)
        assert "stream_options" not in asked
    assert all(f"x-team-key: {SECRET}" in head for head in provider.heads)
    assert all("authorization: bearer sk-" in head for head in provider.heads)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"settings": settings(leave_out=["messages"])}, "settings.leave_out"),
        ({"settings": settings(leave_out=["tool"])}, "settings.leave_out"),
        ({"settings": settings(extra_body={"messages": []})}, "settings.extra_body"),
        ({"settings": settings(extra_body={"stream": False})}, "settings.extra_body"),
        ({"settings": settings(extra_body={"a b": 1})}, "settings.extra_body"),
        ({"settings": settings(extra_body={"a": "x" * 17_000})}, "settings.extra_body"),
        ({"settings": settings(extra_body={"api_key": SECRET})}, "settings.extra_body"),
        (
            {"settings": settings(extra_body={"a": [{"b": {"Token": SECRET}}]})},
            "settings.extra_body",
        ),
        ({"settings": settings(temperature=2.5)}, "settings.temperature"),
        ({"settings": settings(response_format="xml")}, "settings.response_format"),
        ({"settings": settings(tool_choice="required")}, "settings.tool_choice"),
        ({"extra_headers": {"X-A": "a" * 2_001}}, 'extra_headers["X-A"]'),
        ({"extra_headers": {"X-A": "a\nHost: b"}}, 'extra_headers["X-A"]'),
        ({"extra_headers": {"X A": "b"}}, 'extra_headers["X A"]'),
        ({"extra_headers": {"x-a": "b", "X-A": "c"}}, "extra_headers"),
        ({"extra_headers": {f"X-{n}": "b" * 1_900 for n in range(6)}}, "extra_headers"),
        *(
            ({"extra_headers": {name: SECRET}}, join_path("extra_headers", [name]))
            for name in (
                *("Host", "Authorization", "content-length", "Content-Type", "Connection"),
                *("Transfer-Encoding", "Keep-Alive", "TE", "Upgrade", "Proxy-Authorization"),
            )
        ),
        ({"extra_headers": {"OpenAI-Organization": "org"}}, "extra_headers"),
    ],
)
async def test_settings_that_would_break_a_request_are_refused_at_their_field(
    chat: Chat, given: dict[str, Any], field: str
) -> None:
    request = pb.CreateModelConfigRequest(
        parent=chat.workspace, model_config=config(PUBLIC, **given)
    )
    refused = await refusal(chat.stub.CreateModelConfig(request, metadata=chat.metadata))

    assert refused.reason == "INVALID_REQUEST"
    assert {one.field for one in refused.violations} == {f"model_config.{field}"}
    assert SECRET not in json.dumps([refused.message, *(v.description for v in refused.violations)])
    assert not any(re.search(r"[\^$\\]|should match", v.description) for v in refused.violations)
