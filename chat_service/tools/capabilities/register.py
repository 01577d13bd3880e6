"""Registers the built-in capabilities."""

from chat_service.tools.capabilities.fetch_url import Fetcher, fetch_url_capability
from chat_service.tools.capabilities.now import now_capability
from shared.clock import Clock
from shared.registries.capabilities.types import Capability
from shared.registry import Registry


def register_capabilities(
    store: Registry[Capability], clock: Clock, fetcher: Fetcher | None = None
) -> None:
    """Idempotent."""
    for entry in (now_capability(clock), fetch_url_capability(fetcher or Fetcher())):
        if store.get(entry.id) is None:
            store.register(entry)
