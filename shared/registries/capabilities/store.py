"""The capabilities of this process."""

from shared.registries.capabilities.types import Capability
from shared.registry import Registry, require_async


def new_registry() -> Registry[Capability]:
    return Registry("capability", lambda entry: entry.id, _accept)


def _accept(entry: Capability) -> None:
    if entry.handler is not None:
        require_async(entry.handler, f"capability {entry.id!r}")


capabilities = new_registry()


def register_capability(entry: Capability) -> Capability:
    return capabilities.register(entry)


def get_capability(capability_id: str) -> Capability | None:
    return capabilities.get(capability_id)


def all_capabilities() -> dict[str, Capability]:
    """A copy, by id."""
    return capabilities.all()
