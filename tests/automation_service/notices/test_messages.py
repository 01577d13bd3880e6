"""Messages of notices: each notice is in one of them, and none is cut for its length."""

from dataclasses import replace
from uuid import UUID

from automation_service.notices.messages import (
    BUNDLE_TYPE,
    MAX_BYTES,
    MAX_BYTES_OF_KIND,
    build_messages,
)
from automation_service.persistence.enums import DestinationKind
from automation_service.persistence.outbox.notice_deliveries import NewNoticeDelivery
from tests.automation_service.notices.test_text import FAILED, WAITING, ZONE

PAGE = "https://rota.example.org/"


def build(
    *told: object, kind: DestinationKind = DestinationKind.NTFY, page: str = PAGE
) -> list[NewNoticeDelivery]:
    return build_messages(
        list(told),  # type: ignore[arg-type]
        destination="workspaces/w/destinations/d",
        kind=kind,
        zone=ZONE,
        page_url=page,
    )


def test_one_notice_says_what_it_is_of() -> None:
    [one] = build(WAITING)
    assert (one.event_type, one.link) == ("approval.waiting", WAITING.resource_name)
    assert one.subject == "Waits for your approval: Create the automation Tea"


def test_several_are_one_message_in_which_each_has_its_link() -> None:
    [one] = build(FAILED, WAITING)
    assert (one.event_type, one.subject, one.link) == (BUNDLE_TYPE, "2 notices", "")
    first, second = one.body.split("\n\n")
    assert first.splitlines()[-1] == f"https://rota.example.org/#/{FAILED.resource_name}"
    assert second.splitlines()[-1] == f"https://rota.example.org/#/{WAITING.resource_name}"
    assert "https" not in build(FAILED, WAITING, page="")[0].body


def test_more_than_a_message_takes_are_more_messages_and_each_is_told_once() -> None:
    facts = {**FAILED.facts, "error": "ß" * 500}
    told = [replace(FAILED, id=UUID(int=number), facts=facts) for number in range(25)]
    for kind in (DestinationKind.NTFY, DestinationKind.PUSHOVER):
        made = build(*told, kind=kind)
        assert [one for each in made for one in each.notices] == [one.id for one in told]
        limit = MAX_BYTES_OF_KIND.get(kind, MAX_BYTES)
        # One that does not fit beside another is alone, in its own form.
        assert all(len(one.body.encode()) <= limit for one in made if len(one.notices) > 1)
        assert len({one.id for one in made}) == len(made) > 1
