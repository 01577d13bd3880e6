"""What people call the places that results go to."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rota_client import RotaClient, RotaError
from rota_client.names import short_name

# Threads whose titles are asked for, one by one.
_MAX_THREADS: Final = 20

Places = Mapping[str, str]


async def read_places(rota: RotaClient, names: Iterable[str]) -> Places:
    """Returns the words for places, as far as the caller may see them: `Phone (ntfy)`."""
    wanted = dict.fromkeys(names)
    found: dict[str, str] = {}
    if any("/destinations/" in name for name in wanted):
        async for one in rota.list_destinations():
            found[one.name] = f"{one.display_name} ({one.kind.name.lower()})"
    for name in [name for name in wanted if "/threads/" in name][:_MAX_THREADS]:
        try:
            title = (await rota.get_thread(name)).display_name
        except RotaError:
            continue
        if title:
            found[name] = f"the thread {title}"
    return found


def format_place(name: str, places: Places) -> str:
    """The words for a place; its short name where there are none."""
    return places.get(name) or short_name(name)


def list_targets(definition: Mapping[str, Any]) -> list[str]:
    """Returns where the steps of a definition deliver to, each once."""
    steps = [*definition.get("plan", []), *definition.get("execution", {}).get("on_failure", [])]
    names = [
        name
        for step in steps
        if step.get("action") == "deliver"
        for name in step.get("config", {}).get("to", [])
        if isinstance(name, str)
    ]
    return list(dict.fromkeys(names))
