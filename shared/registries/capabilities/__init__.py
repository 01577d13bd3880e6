"""What an agent may use."""

from shared.registries.capabilities.store import (
    all_capabilities,
    get_capability,
    register_capability,
)
from shared.registries.capabilities.types import Capability, CapabilityHandler

__all__ = [
    "Capability",
    "CapabilityHandler",
    "all_capabilities",
    "get_capability",
    "register_capability",
]
