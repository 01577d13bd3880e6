"""What a capability's result may hold: storable JSON, of limited size and depth."""

import json
from collections.abc import Mapping
from typing import Any, Final

from chat_service.tools.definition import ToolResult
from shared.db.storable_text import clean
from shared.json import canonical_json
from shared.registries.capabilities.types import Capability

MAX_OUTPUT: Final = 256 * 1024  # bytes, of a result as canonical JSON
BEGINNING: Final = 8_000  # characters that are kept of a larger output
# protobuf limits a Struct to 32 levels, and to fewer within other messages
MAX_DEPTH: Final = 28


async def call_capability(capability: Capability, arguments: dict[str, Any]) -> ToolResult:
    """Calls the handler. Any output is a success."""
    assert capability.handler is not None
    answer = to_storable(await capability.handler(arguments), MAX_DEPTH - 1)
    output = answer if isinstance(answer, dict) else {"result": answer}
    if len(canonical_json.canonical_bytes(output)) > MAX_OUTPUT:
        return ToolResult(output=_cut(output))
    return ToolResult(output=output)


def _cut(output: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": "done",
        "message": f"It was carried out. Its result is larger than {MAX_OUTPUT} bytes and cut.",
        "beginning": json.dumps(output, ensure_ascii=False)[:BEGINNING],
    }


def to_storable(value: Any, levels: int) -> Any:
    """Converts a value to storable JSON. Numbers beyond JSON and deep values become text.

    A call that ran must not count as failed because of its output.
    """
    match value:
        case None | bool():
            return value
        case int() | float():
            return value if _holds(value) else str(value)
        case str():
            return clean(value)
        case Mapping() if levels:
            return {clean(str(key)): to_storable(item, levels - 1) for key, item in value.items()}
        case list() | tuple() if levels:
            return [to_storable(item, levels - 1) for item in value]
    return clean(_as_text(value))


def _holds(number: float) -> bool:
    try:
        canonical_json.normalise(number)
    except canonical_json.NotCanonical:
        return False
    return True


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"[{type(value).__name__}]"
