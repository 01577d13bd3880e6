"""Results that nobody receives are warned of."""

from typing import Any

from chat_service.runtime.ports import DestinationView
from chat_service.tools.automations.warnings.delivery import NOWHERE, find_missing_deliveries

NAME = "workspaces/w/destinations/d"
STEP: dict[str, Any] = {"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}


def deliver(*to: str) -> dict[str, Any]:
    return {"step_id": "send", "action": "deliver", "config": {"to": list(to)}}


def warnings(
    *plan: dict[str, Any],
    after: tuple[dict[str, Any], ...] = (),
    accepted: bool = True,
    **more: Any,
) -> list[str]:
    given = {"kind": "email", "host": "example.org", "state": "active", "display_name": "My mail"}
    known = [DestinationView(name=NAME, **{**given, **more})]
    payload = {"definition": {"plan": list(plan), "execution": {"on_failure": list(after)}}}
    return list(find_missing_deliveries(payload, known, is_accepted=accepted))


def test_what_somebody_receives_is_not_warned_of() -> None:
    assert warnings(STEP, deliver("inbox", "workspaces/w/threads/t", NAME)) == []


def test_a_plan_that_delivers_nowhere_is_warned_of() -> None:
    assert warnings(STEP) == [NOWHERE]
    # what is said of a failure is no result
    assert warnings(STEP, after=(deliver("inbox"),)) == [NOWHERE]


def test_a_destination_that_takes_nothing_is_warned_of() -> None:
    said = "The step send delivers to “My mail”, which is"
    assert warnings(deliver(NAME), state="unverified") == [
        f"{said} not verified yet, so nothing is sent to it until it is."
    ]
    assert warnings(deliver(NAME), state="paused") == [
        f"{said} paused, so nothing is sent to it until it is enabled."
    ]


def test_a_destination_that_can_not_be_seen_is_warned_of_unless_its_author_may_use_it() -> None:
    unseen = "workspaces/w/destinations/unseen"
    plan, after = (STEP, deliver("inbox")), (deliver(unseen),)
    assert warnings(*plan, after=after) == []
    assert warnings(*plan, after=after, accepted=False) == [
        f"The step send delivers to “{unseen}”, which is gone, or belongs to another member."
    ]
