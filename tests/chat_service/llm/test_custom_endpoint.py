"""Endpoints that people name: only public ones are called, at the very address that was judged."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import SecretStr

from chat_service.llm import custom_endpoint, errors
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelBundle, ModelConfig
from shared.security.egress import Address, NotPublic
from tests.support.model_providers.scripted_model import (
    Refused,
    ScriptedModel,
    ends,
    says,
    scripted_model,
)

LOOPBACK = ipaddress.ip_address("127.0.0.1")
PUBLIC = ipaddress.ip_address("93.184.215.14")


class Names:
    """A name server that knows one answer, and remembers what was asked."""

    def __init__(self, *found: Address) -> None:
        self.found = list(found)
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.asked.append((host, port))
        if not self.found:
            raise OSError("no such name")
        return self.found


async def _answer(bundle: ModelBundle) -> AIMessage:
    return await bundle.chat().answer([HumanMessage("hello")], progress=CallProgress())


@asynccontextmanager
async def calling(names: Names, *, local: bool, **more: int) -> AsyncIterator[httpx2.AsyncClient]:
    client = custom_endpoint.open_client(local=local, resolve=names.resolve, **more)
    try:
        yield client
    finally:
        await client.aclose()


def named(model: ScriptedModel) -> str:
    """The model's address under a name."""
    return model.base_url.replace("127.0.0.1", "models.example.org")


@pytest.mark.parametrize("found", [[LOOPBACK], [PUBLIC, LOOPBACK], [ipaddress.ip_address("::1")]])
async def test_a_name_with_an_inner_address_is_not_called(found: list[Address]) -> None:
    async with scripted_model([says("never"), ends()]) as model:
        async with calling(Names(*found), local=False) as client:
            with pytest.raises(NotPublic):
                await client.post(named(model) + "/chat/completions", json={})
        assert model.asked == []


async def test_a_refused_endpoint_is_not_tried_again_and_says_nothing_of_the_network() -> None:
    config = ModelConfig(id=7, display_name="m", model="m", base_url="https://models.example.org")
    async with calling(Names(LOOPBACK), local=False) as client:
        with pytest.raises(errors.PROVIDER_FAULTS) as caught:
            await _answer(ModelBundle(config=config, client=client))
    fault = errors.classify_error(caught.value)
    assert not fault.transient
    assert fault.refusal(7).message == "the model's provider refused the request"


async def test_a_name_that_nobody_knows_can_not_be_reached() -> None:
    async with calling(Names(), local=False) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://models.example.org/v1")


async def test_it_is_called_at_the_address_judged_with_its_own_name_and_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "the-operators")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "the-operators")
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    names = Names(LOOPBACK)
    async with scripted_model([says("hi"), ends()]) as model, calling(names, local=True) as client:
        config = ModelConfig(
            id=7, display_name="m", model="m", base_url=named(model), api_key=SecretStr("sk-hers")
        )
        answer = await _answer(ModelBundle(config=config, client=client))
        port = int(model.base_url.split(":")[2].partition("/")[0])
        (head,) = model.heads
    assert answer.text == "hi"
    assert names.asked == [("models.example.org", port)]
    assert f"host: models.example.org:{port}" in head
    assert "authorization: bearer sk-hers" in head
    assert "the-operators" not in head


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    nobody = ipaddress.ip_address("127.0.0.2")
    async with (
        scripted_model([says("hi"), ends()]) as model,
        calling(Names(nobody, LOOPBACK), local=True) as client,
    ):
        answer = await client.post(named(model) + "/chat/completions", json={})
    assert answer.status_code == 200


async def test_an_answer_without_end_is_cut() -> None:
    async with (
        scripted_model([says("x" * 4000)] * 2) as model,
        calling(Names(LOOPBACK), local=True, most_bytes=2000) as client,
    ):
        with pytest.raises(httpx2.ReadError):
            await client.post(named(model) + "/chat/completions", json={})


async def test_a_large_error_is_cut_and_keeps_its_status() -> None:
    body = b'{"error": [' + b"{}," * 1_000_000 + b"{}]}"
    async with (
        scripted_model([Refused(400, body=body)]) as model,
        calling(Names(LOOPBACK), local=True) as client,
    ):
        answer = await client.post(named(model) + "/chat/completions", json={})
    assert answer.status_code == 400
    assert answer.content == body[: custom_endpoint.MAX_ERROR_BYTES]


def test_the_address_is_kept_without_what_it_does_not_need() -> None:
    kept = custom_endpoint.check_endpoint(" https://Models.Example.org/v1/ ", local=False)
    assert kept == "https://models.example.org/v1"


def test_local_endpoints_may_be_named_where_they_are_allowed() -> None:
    for url in ("http://127.0.0.1:11434/v1", "http://localhost/v1", "https://10.0.0.8/v1"):
        assert custom_endpoint.check_endpoint(url, local=True) == url
