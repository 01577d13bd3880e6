"""Resource names, completed from short names. A wrong one is InvalidArgument, in words."""

from typing import Final

from rota_client.errors import InvalidArgument

_LONGEST: Final = 63
# What the last part of a name identifies, by its collection.
_KINDS: Final = {
    "approvals": "approval",
    "automations": "automation",
    "deliveries": "delivery",
    "destinations": "destination",
    "inboxItems": "inbox item",
    "modelConfigs": "model",
    "runs": "run",
    "slots": "slot",
    "threads": "thread",
    "triggers": "trigger",
    "turns": "turn",
}


def complete_name(workspace: str, collection: str, given: str) -> str:
    """`7f…` → `workspaces/w/{collection}/7f…`; keeps a collection or whole name that is given."""
    return _complete(workspace, given, collection)


def turn_name(workspace: str, given: str) -> str:
    """Completes `threads/{t}/turns/{u}` or the whole name."""
    return _complete(workspace, given, "threads", "turns")


def run_name(workspace: str, given: str) -> str:
    """Completes `{automation}/{run}`, `automations/{a}/runs/{r}` or the whole name."""
    return _complete(workspace, given, "automations", "runs")


def trigger_name(workspace: str, given: str) -> str:
    """Completes `{automation}/{trigger}`, `automations/{a}/triggers/{t}` or the whole name."""
    return _complete(workspace, given, "automations", "triggers")


def slot_name(workspace: str, given: str) -> str:
    """Completes `{automation}/{slot}`, `automations/{a}/slots/{s}` or the whole name."""
    return _complete(workspace, given, "automations", "slots")


def delivery_name(workspace: str, given: str) -> str:
    """Completes an id, `{automation}/{run}/{delivery}` or the whole name."""
    if "/" not in given:
        given = f"-/-/{given}"
    return _complete(workspace, given, "automations", "runs", "deliveries")


def resource_id(name: str) -> str:
    """Returns the last segment of a name."""
    return name.rpartition("/")[2]


def short_name(name: str) -> str:
    """Returns the name without its workspace, as a person types it."""
    return name.split("/", 2)[2] if name.startswith("workspaces/") and name.count("/") > 1 else name


def _complete(base: str, given: str, *collections: str) -> str:
    """Raises InvalidArgument unless `given` has an id for each of the collections under `base`."""
    parts, above = given.split("/"), base.split("/")
    if parts[0] == above[0] and len(parts) > len(above):
        above, parts = parts[: len(above)], parts[len(above) :]
    elif len(parts) == len(collections) and parts[0] not in collections:
        parts = [part for pair in zip(collections, parts, strict=True) for part in pair]
    elif parts[1::2] == list(collections[1:]):
        parts = [collections[0], *parts]
    # the base, collections and ids take turns
    ids = [above[1], *parts[1::2]]
    known = parts[::2] == list(collections) and above[2:] == base.split("/")[2:]
    if not known or len(parts) % 2 or not all(map(_is_id, ids)):
        raise InvalidArgument(_refusal(given, collections))
    return "/".join([*above, *parts])


def _is_id(part: str) -> bool:
    return 0 < len(part) <= _LONGEST and part not in (".", "..")


def _refusal(given: str, collections: tuple[str, ...]) -> str:
    kinds = [_KINDS[collection] for collection in collections]
    ids = [kind.upper() if len(kinds) > 1 else "ID" for kind in kinds]
    whole = "/".join(f"{c}/{i}" for c, i in zip(collections, ids, strict=True))
    short = "/".join(ids) if len(ids) > 1 else "its id"
    return f"{given!r} names no {kinds[-1]}: give {short} or {whole}"
