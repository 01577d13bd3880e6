"""A coded body counts by what it becomes, for every client that calls out."""

import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import httpx2
import pytest
import zstandard
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from chat_service.llm import custom_endpoint, errors
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.runtime.models_file import FALLBACK, McpServer, find_default_model
from chat_service.tools.mcp.client import McpClient, root_cause
from shared.security.body_decoder import BodyTooLarge, BodyUnreadable, decode_body
from tests.support.servers.coded_server import coded_server, deflate, gzip

TEXT = b"data: {}\n\n" * 20_000
LIMIT = 1 << 20
BOMB = b"data: " + b"a" * (40 << 20)  # one line
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda data: data,
    "gzip": gzip,
    "X-GZIP": gzip,
    "deflate": lambda data: deflate(data, window=zlib.MAX_WBITS),
    "deflate ": lambda data: deflate(data, window=-zlib.MAX_WBITS),  # as some servers have it
    "deflate, gzip": lambda data: gzip(deflate(data, window=zlib.MAX_WBITS)),
    "gzip, gzip": lambda data: gzip(gzip(data)),
    "gzip ": lambda data: gzip(data[:7]) + gzip(data[7:]),  # of two members
}
REFUSED: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.ZstdCompressor(level=1).compress,
    "br": gzip,
    "gzip, br": gzip,
    "gzip, gzip, gzip, gzip": lambda data: gzip(gzip(gzip(gzip(data)))),
}


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 1_000, 1 << 20])
@pytest.mark.parametrize("coding", CODERS)
async def test_a_body_is_decoded_whatever_its_pieces(coding: str, size: int) -> None:
    small = TEXT[: 20 * size]
    coded = pieces(CODERS[coding](small), size)
    assert b"".join([p async for p in decode_body(coded, coding, max_bytes=LIMIT)]) == small


@pytest.mark.parametrize("coding", CODERS)
async def test_a_body_ends_at_its_limit_of_decoded_bytes(coding: str) -> None:
    found = 0
    with pytest.raises(BodyTooLarge):
        async for piece in decode_body(
            pieces(CODERS[coding](BOMB[: 8 << 20]), 4_096), coding, max_bytes=LIMIT
        ):
            assert len(piece) <= 1 << 16
            found += len(piece)
    assert found == LIMIT


async def test_what_one_coding_expands_counts_though_the_next_ignores_it() -> None:
    inner = gzip(b"a") + bytes(8 << 20)  # after its end, a body has no more content
    with pytest.raises(BodyTooLarge):
        async for _ in decode_body(pieces(gzip(inner), 4_096), "gzip, gzip", max_bytes=LIMIT):
            pass


@pytest.mark.parametrize("size", [1, 1_000])
@pytest.mark.parametrize("coding", [name for name in CODERS if name != "identity"])
async def test_a_body_that_ends_before_its_coding_is_refused(coding: str, size: int) -> None:
    whole = CODERS[coding](TEXT)
    for end in (1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(BodyUnreadable):
            async for _ in decode_body(pieces(whole[:end], size), coding, max_bytes=LIMIT):
                pass
    assert [p async for p in decode_body(pieces(b"", size), coding, max_bytes=LIMIT)] == []


@pytest.mark.parametrize("coding", [*REFUSED, "gzip"])
async def test_a_body_that_is_not_coded_as_accepted_is_refused(coding: str) -> None:
    body = REFUSED[coding](TEXT) if coding in REFUSED else TEXT
    with pytest.raises(BodyUnreadable):
        async for _ in decode_body(pieces(body, 4_096), coding, max_bytes=LIMIT):
            pass


async def _call_own_endpoint(base_url: str) -> None:
    async with custom_endpoint.open_client(local=True) as client:
        await _chat(7, base_url, client)


async def _call_service_model(base_url: str) -> None:
    await _chat(-1, base_url, None)


async def _chat(config_id: int, base_url: str, client: httpx2.AsyncClient | None) -> None:
    config = ModelConfig(
        id=config_id, display_name="m", model="m", base_url=base_url, api_key=SecretStr("k")
    )
    bundle = ModelBundle(config=config, client=client)
    try:
        await bundle.chat().answer([HumanMessage("hello")], progress=CallProgress())
    except errors.PROVIDER_FAULTS as exc:
        raise ConnectionError from exc


async def _list_models(base_url: str) -> None:
    assert await find_default_model(base_url, "k") == FALLBACK
    raise ConnectionError


async def _list_tools(base_url: str) -> None:
    client = McpClient(
        server=McpServer(id="odd", url=base_url),
        environ={},
        connect_limit=20,
        tools_changed=lambda: None,
    )
    try:
        await client.list_tools()
    except BaseExceptionGroup as exc:
        raise ConnectionError from root_cause(exc)
    except httpx.HTTPError as exc:
        raise ConnectionError from exc


CALLERS: dict[str, tuple[Callable[[str], object], str]] = {
    "own endpoint": (_call_own_endpoint, "text/event-stream"),
    "service's model": (_call_service_model, "text/event-stream"),
    "list of models": (_list_models, "application/json"),
    "MCP server": (_list_tools, "application/json"),
}
BOMBS = {
    "gzip": gzip(BOMB),
    "deflate": deflate(BOMB, window=-zlib.MAX_WBITS),
    "zstd": zstandard.ZstdCompressor(level=1).compress(BOMB),
    "br": gzip(BOMB),
}


@pytest.mark.parametrize("coding", BOMBS)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_small_answer_that_becomes_a_large_one_is_not_kept(
    caller: str, coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    joined = httpx2.Response.aread

    async def read(response: httpx2.Response) -> bytes:
        held.append(len(await joined(response)))
        return response.content

    monkeypatch.setattr(httpx2.Response, "aread", read)
    call, content_type = CALLERS[caller]
    async with coded_server(BOMBS[coding], coding, content_type=content_type) as (url, heads):
        with pytest.raises(ConnectionError):
            await call(url)  # type: ignore[misc]
    assert "\r\naccept-encoding: gzip, deflate\r\n" in heads[0]
    assert not held
