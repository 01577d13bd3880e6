"""Schemas and answers of foreign tools, as far as they can be applied and carried."""

from collections.abc import Mapping
from typing import Any

import pytest
from rota.agent.v1 import agent_pb2
from structlog.testing import capture_logs

from chat_service.api.tasks import list_capabilities
from chat_service.runtime.models_file import McpServer
from chat_service.tools.capability_result import to_storable
from chat_service.tools.mcp.schema import sanitize_schema
from shared.json import canonical_json
from shared.registries.catalogue import Catalogue
from shared.rpc.messages import struct
from tests.chat_service.tools.mcp.test_tools import looked
from tests.support.servers.mcp_server import served
from tests.support.servers.odd_mcp import OddMcp, tool

LARGEST = 2**63 - 1
NULL: Mapping[str, Any] = {"type": "object"}


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        inner = {"type": "object", "properties": {"a": inner}}
    return inner


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"properties": {"n": {"type": "integer", "minimum": 0, "maximum": LARGEST}}},
            {"properties": {"n": {"type": "integer", "minimum": 0}}},
        ),
        (
            {"properties": {"n": {"enum": [1, LARGEST]}, "m": {"default": float("nan")}}},
            {"properties": {"n": {}, "m": {}}},
        ),
        (
            {"properties": {"pattern": {"type": "string", "pattern": "(a+)+$"}}},
            {"properties": {"pattern": {"type": "string"}}},
        ),
        (
            {"properties": {"a\x00": {"type": "string"}}},
            {"properties": {"a\ufffd": {"type": "string"}}},
        ),
        ({"type": 7}, NULL),
        (nested(40), NULL),
        ({"description": "long " * 10_000}, NULL),
        ({"properties": {"a": {"$ref": "https://elsewhere.example/a.json"}}}, NULL),
    ],
    ids=["bound", "values", "pattern", "name", "no schema", "deep", "large", "remote"],
)
async def test_a_schema_is_applied_as_far_as_it_can_be(
    given: dict[str, Any], told: dict[str, Any]
) -> None:
    assert sanitize_schema(given) == told


async def test_no_schema_keeps_the_catalogue_from_being_told() -> None:
    bound = {"type": "object", "properties": {"n": {"type": "integer", "maximum": LARGEST}}}
    listed = [tool("big", inputSchema=bound), tool("deep", inputSchema=nested(12))]
    async with served(OddMcp(pages=[listed])) as url:
        tools = await looked(McpServer(id="odd", url=url))
    catalogue = Catalogue(actions={}, triggers={}, capabilities=tools.capabilities())

    told = list_capabilities(agent_pb2.ListCapabilitiesRequest(), catalogue)

    assert catalogue.capabilities
    assert catalogue.capabilities["odd_deep"].input_schema == nested(12)
    read = agent_pb2.ListCapabilitiesResponse.FromString(told.SerializeToString())
    assert [one.id for one in read.capabilities] == ["odd_big", "odd_deep"]
    assert struct.to_json(read.capabilities[0].input_schema)["properties"] == {
        "n": {"type": "integer"}
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1e300, "1e+300"),
        (-(2**53), str(-(2**53))),
        (2**53 - 1, 2**53 - 1),
        (True, True),
        ("a\x00b", "a\ufffdb"),
        ({1: (2, None)}, {"1": [2, None]}),
        ([[[["deep"]]]], [['[["deep"]]']]),
        (b"raw", "[bytes]"),
    ],
)
def test_whatever_a_tool_gives_can_be_carried(given: Any, told: Any) -> None:
    found = to_storable(given, 2)

    assert found == told
    canonical_json.canonical_bytes(found)


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        ({"description": "long " * 6_000}, 8),  # by their bytes
        ({"properties": {f"p{n}": {"type": "string"} for n in range(400)}}, 12),  # by their cost
    ],
)
async def test_the_schemas_of_a_server_are_limited_together(
    schema: dict[str, Any], kept: int
) -> None:
    odd = OddMcp(pages=[[tool(f"t{n}", inputSchema=schema) for n in range(20)]])

    async with served(odd) as url:
        with capture_logs() as logs:
            tools = await looked(McpServer(id="odd", url=url))

    found = [one.input_schema for one in tools.capabilities().values()]
    assert [one != NULL for one in found] == [True] * kept + [False] * (20 - kept)
    assert "mcp_schemas_cut" in [line["event"] for line in logs]
