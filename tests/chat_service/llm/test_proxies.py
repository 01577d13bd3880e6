"""Models of the service are called through the operator's proxies, as httpx2 has them."""

import base64
import json
from typing import Any, Final

import openai
import pytest
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelBundle, ModelConfig
from shared.http.transport import HttpTransport
from tests.support.model_providers.scripted_model import DONE, ends, says, scripted_model
from tests.support.processes.ports import free_port
from tests.support.servers.raw_server import RawServer, raw_server

HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ANSWER: Final = [
    HEAD,
    *(b"data: %b\n\n" % json.dumps(one).encode() for one in (says("hi"), ends())),
]
VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "OPENAI_PROXY")
AUTHORIZATION: Final = b"Proxy-Authorization: Basic " + base64.b64encode(b"ada:pw")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def bundle(base_url: str) -> ModelBundle:
    return ModelBundle(
        config=ModelConfig(
            id=-1, display_name="m", model="m", base_url=base_url, api_key=SecretStr("k")
        )
    )


async def answer(base_url: str) -> str:
    asked: Any = [HumanMessage("hello")]
    return (await bundle(base_url).chat().answer(asked, progress=CallProgress())).text


def address(proxy: RawServer) -> str:
    return f"http://ada:pw@127.0.0.1:{proxy.port}"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_PROXY"])
async def test_a_proxy_is_asked_for_the_whole_address(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url = f"http://models.invalid:{free_port()}/v1"
    async with raw_server(ANSWER) as proxy:
        monkeypatch.setenv(variable, address(proxy))
        assert await answer(base_url) == "hi"

    (request,) = proxy.requests
    assert request.startswith(f"POST {base_url}/chat/completions HTTP/1.1\r\n".encode())
    assert AUTHORIZATION in request


async def test_a_model_with_tls_is_reached_through_a_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    async with raw_server([b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", address(proxy))
        with pytest.raises(openai.APIConnectionError):
            await answer(f"https://models.invalid:{port}/v1")

    (request,) = proxy.requests
    assert request.startswith(b"CONNECT models.invalid:%d HTTP/1.1\r\n" % port)
    assert AUTHORIZATION in request


async def test_a_host_that_needs_no_proxy_is_called_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        raw_server(ANSWER) as proxy,
        scripted_model([says("hi"), ends(), DONE]) as model,
    ):
        monkeypatch.setenv("HTTP_PROXY", address(proxy))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert await answer(model.base_url) == "hi"

    assert proxy.requests == []
    http = bundle(model.base_url).chat().root_async_client._client
    assert isinstance(http._transport_for_url(http.base_url), HttpTransport)


def test_models_at_one_address_share_their_connections() -> None:
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    first, second = (
        ModelBundle(config=ModelConfig(id=-1, display_name=name, model=name, base_url=base_url))
        for name in ("a", "b")
    )
    transports = [one.chat().root_async_client._client._transport for one in (first, second)]

    assert isinstance(transports[0], HttpTransport)
    assert transports[0] is transports[1]
