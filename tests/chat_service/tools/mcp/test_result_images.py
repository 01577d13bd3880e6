"""Images of results: seen by models that read images, and named to all."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.types import CallToolResult

from chat_service.runtime.models_file import McpServer
from chat_service.runtime.run_context import MAX_TOOL_IMAGE_BYTES, RunState
from chat_service.tools.mcp.result import MAX_IMAGE_BYTES, MAX_IMAGES, read_images
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.tools.mcp.test_tools import agent_with, looked
from tests.support.model_providers.scripted_model import (
    Refused,
    Reply,
    ScriptedModel,
    call,
    calls,
    ends,
    says,
    scripted_model,
)
from tests.support.servers.mcp_server import served
from tests.support.servers.odd_mcp import OddMcp

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
URL = f"data:image/png;base64,{PNG}"
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
END: Reply = [says("I see."), ends()]


def resource(**more: Any) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": "a://b", "blob": PNG, **more}}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    odd = OddMcp(answer=lambda _: {"result": {"content": [IMAGE]}})
    async with served(odd) as address:
        yield address


async def asked(bench: Bench, url: str, *replies: Reply, reads: bool | None) -> ScriptedModel:
    """The requests of a turn that calls the tool twice at once."""
    tools = await looked(McpServer(id="odd", url=url, approval="never"))
    wanted = [call("odd_act", "{}", index=n, id=f"c{n}") for n in range(2)]
    both: Reply = [calls(*wanted), ends("tool_calls")]
    async with scripted_model(both, *replies) as scripted:
        bench.ask_at(scripted.base_url)
        model = bench.model(supports_images=reads)
        events = await bench.all("go", agent=agent_with(bench, tools), model=model)
    assert finished(events)[0].output == {"text": "[image: image/png, 12 bytes]"}
    return scripted


async def test_a_model_that_reads_images_sees_them_after_the_results(
    bench: Bench, url: str
) -> None:
    scripted = await asked(bench, url, END, reads=True)

    roles = [message["role"] for message in scripted.asked[1]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user", "user"]
    said, image = scripted.asked[1]["messages"][-1]["content"]
    assert said["text"] == "Images of the result of odd_act:"
    assert image["image_url"]["url"] == URL


@pytest.mark.parametrize("reads", [None, False])
async def test_any_other_model_reads_what_there_was(
    bench: Bench, url: str, reads: bool | None
) -> None:
    scripted = await asked(bench, url, END, reads=reads)

    assert "data:image" not in json.dumps(scripted.asked[1])


async def test_a_refused_request_is_made_again_without_them(bench: Bench, url: str) -> None:
    refused: Reply = [Refused(400, {"message": "invalid image"})]

    scripted = await asked(bench, url, refused, END, reads=True)

    assert ["data:image" in json.dumps(one) for one in scripted.asked] == [False, True, False]


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([IMAGE] * 9, [URL] * MAX_IMAGES),
        ([{**IMAGE, "mimeType": "text/html"}], [URL]),
        ([{**IMAGE, "data": "AAAA"}, {**IMAGE, "data": "?"}], []),
        ([{**IMAGE, "data": PNG + "A" * (2 * MAX_IMAGE_BYTES)}], []),
        (
            [
                {
                    "type": "resource",
                    "resource": {"uri": "a://b", "mimeType": "image/x", "blob": PNG},
                }
            ],
            [URL],
        ),
        ([resource()], []),
    ],
    ids=["many", "by content", "no image", "large", "resource", "no type"],
)
def test_the_images_of_a_result_are_limited(blocks: list[Any], found: list[str]) -> None:
    assert read_images(CallToolResult.model_validate({"content": blocks})) == found


def test_a_run_keeps_the_newest_images() -> None:
    state = RunState()
    for n in range(3):
        state.keep_tool_images(f"c{n}", ["x" * (MAX_TOOL_IMAGE_BYTES // 2)])

    assert list(state.tool_images) == ["c1", "c2"]
