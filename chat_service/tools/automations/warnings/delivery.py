"""Results that nobody receives: no step delivers them, or their destination takes none."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from chat_service.llm.text import one_line
from chat_service.runtime.ports import DestinationView
from chat_service.tools.automations.deliveries import DELIVER, list_deliver_steps
from shared.definition.destination_names import is_destination

NOWHERE: Final = (
    "Its result is delivered nowhere: no step is a `deliver`, so it is read in the run only."
)
_STATES: Final = {
    "unverified": "is not verified yet, so nothing is sent to it until it is",
    "paused": "is paused, so nothing is sent to it until it is enabled",
}
_UNSEEN: Final = "is gone, or belongs to another member"
_SHOWN: Final = 80

Json = Mapping[str, Any]


def find_missing_deliveries(
    payload: Json, destinations: Iterable[DestinationView], *, is_accepted: bool = True
) -> Iterator[str]:
    """Yields a sentence where a payload delivers nowhere, and one for each unusable destination.

    `destinations` are those that the person who asks may see. What automation_service accepted
    names no other ones but those of whom its runs act for.
    """
    known = {one.name: one for one in destinations}
    plan = payload.get("definition", {}).get("plan", [])
    if not any(step.get("action") == DELIVER for step in plan):
        yield NOWHERE
    for step in list_deliver_steps(payload):
        for name in step["config"]["to"]:
            if why := _find_reason(str(name), known, is_accepted=is_accepted):
                found = known.get(name)
                shown = one_line(found.display_name, _SHOWN) if found else name
                yield f"The step {step.get('step_id')} delivers to “{shown}”, which {why}."


def _find_reason(name: str, known: Mapping[str, DestinationView], *, is_accepted: bool) -> str:
    if not is_destination(name):
        return ""
    found = known.get(name)
    if found is None:
        return "" if is_accepted else _UNSEEN
    return _STATES.get(found.state, "")
