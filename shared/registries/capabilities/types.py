"""A capability: something an agent may use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

CapabilityHandler = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """`handler` is None where the capability is only known of, not served."""

    id: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    handler: CapabilityHandler | None = None
