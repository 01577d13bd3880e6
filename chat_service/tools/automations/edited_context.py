"""What a card says of a payload that a person edited: its warnings and consequences anew."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat_service.runtime.ports import ActionType
from chat_service.tools.approval import REPAIRED, find_invisible_fields
from chat_service.tools.automations.consequences import ConsequenceBasis, estimate_consequences
from chat_service.tools.automations.drafts.drafter import NOTED
from chat_service.tools.automations.warnings.intent_conflict import find_conflicts
from chat_service.tools.automations.warnings.missing_destination import keep_missing_destinations

# Which part of a context has the words that asked for it.
_WORDS: Final[Mapping[str, str]] = {ActionType.CREATE: "intent", ActionType.UPDATE: "change"}

Json = Mapping[str, Any]


def edit_context(
    basis: ConsequenceBasis,
    action_type: str,
    context: Json,
    *,
    before: Json,
    payload: Json,
    zone: str,
) -> dict[str, Any]:
    """Returns the context of a card whose payload was `before` and is the valid `payload`.

    `zone` is that of the person who asked. What the model noted, and that its call was repaired,
    stays; so do the destinations that are not there, until the payload has one of their kind, and
    what a card without a definition warns of beside invisible characters.
    """
    stale = set(find_invisible_fields(before))
    kept = [one for one in context.get("warnings") or () if one not in stale]
    found = dict(context)
    if (key := _WORDS.get(action_type)) is not None:
        conflicts = find_conflicts(
            str(context.get(key, "")),
            payload,
            zone=zone,
            now=basis.now,
            is_new=action_type == ActionType.CREATE,
        )
        missing = keep_missing_destinations(
            map(str, kept), str(context.get(key, "")), payload, basis.destinations
        )
        kept = [*missing, *conflicts, *_of_the_model(kept)]
        found["consequences"] = estimate_consequences(basis, payload)
    found.pop("warnings", None)
    warnings = [*kept, *find_invisible_fields(payload)]
    return {**found, "warnings": warnings} if warnings else found


def _of_the_model(warnings: Sequence[Any]) -> list[str]:
    return [one for one in map(str, warnings) if one.startswith((NOTED, REPAIRED))]
