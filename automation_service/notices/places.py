"""The places of notices: the inbox, and destinations of the workspace."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.destinations.place_words import describe_place, find_named
from automation_service.destinations.use_faults import find_use_faults
from automation_service.inbox.items import InboxItemKind, NewInboxItem, add_items
from automation_service.notices.messages import build_messages
from automation_service.notices.text import describe
from automation_service.persistence.enums import DestinationKind, NoticeKind
from automation_service.persistence.outbox import destinations, notice_deliveries, notices
from automation_service.persistence.outbox import notice_settings as settings_rows
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from shared import resources
from shared.definition.destination_names import INBOX
from shared.schedule import zones

# The fact that names the destination that did not take a result.
_FAILED: Final = "destination"
# Characters of the reason why a destination did not take a notice.
MAX_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePlaces:
    """`page_url` is where people open the page; without it messages have no links."""

    page_url: str = ""

    async def put(
        self,
        connection: AsyncConnection,
        settings: NoticeSettings,
        told: Sequence[Notice],
        now: datetime,
    ) -> None:
        """Puts notices of one person where they want them, in the transaction of `connection`.

        Several for one destination are one message. What no destination takes now goes to the
        inbox; so does what the person wants there.
        """
        zone = await _find_zone(connection, settings)
        kinds = await _find_usable(connection, settings, told)
        by_place: dict[str, list[Notice]] = defaultdict(list)
        for notice in told:
            # A destination is not told of itself through itself.
            places = [
                place
                for place in settings.places(notice.kind)
                if place == INBOX
                or (
                    place in kinds
                    and place not in (notice.resource_name, notice.facts.get(_FAILED))
                )
            ]
            for place in places or [INBOX]:
                by_place[place].append(notice)
        kept = by_place.pop(INBOX, [])
        await add_items(connection, [_item(notice, zone, now) for notice in kept])
        messages = [
            message
            for place, those in sorted(by_place.items())
            for message in build_messages(
                those, destination=place, kind=kinds[place], zone=zone, page_url=self.page_url
            )
        ]
        await notice_deliveries.insert(connection, messages, now)


async def return_to_inbox(
    connection: AsyncConnection,
    ids: Collection[UUID],
    *,
    destination: str,
    error: str,
    now: datetime,
) -> None:
    """Adds items for notices that a destination did not take, unless they are in the inbox."""
    for notice in await notices.list_by_id(connection, ids):
        settings = await settings_rows.get(connection, notice.workspace, notice.user)
        zone = await _find_zone(connection, settings)
        found = await find_named(connection, notice.workspace, destination)
        place = describe_place(destination, found, notice.user)
        why = f"\nThis was not taken by {place}: {error[:MAX_ERROR]}"
        await add_items(connection, [_item(notice, zone, now, more=why)])


async def check_places(
    connection: AsyncConnection, *, workspace: str, user: str, names: Sequence[str]
) -> Mapping[str, str]:
    """Says why a user can't have notices at destinations.

    One that is paused or not verified may be named: until it takes them, they go to the inbox.
    """
    faults = await find_use_faults(connection, workspace, user, names)
    return {
        fault.name: "there is no such destination that you may use"
        for fault in faults
        if fault.is_refused
    }


async def _find_usable(
    connection: AsyncConnection, settings: NoticeSettings, told: Sequence[Notice]
) -> dict[str, DestinationKind]:
    """Returns the kinds of the destinations that take notices of the person now."""
    wanted = {place for notice in told for place in settings.places(notice.kind)} - {INBOX}
    if not wanted:
        return {}
    names = sorted(wanted)
    faults = await find_use_faults(connection, settings.workspace, settings.user, names)
    usable = wanted - {fault.name for fault in faults}
    segments = {resources.DESTINATION.parse(name)["destination"]: name for name in usable}
    found = await destinations.list_named(connection, settings.workspace, list(segments))
    return {segments[segment]: one.kind for segment, one in found.items()}


async def _find_zone(connection: AsyncConnection, settings: NoticeSettings) -> str:
    """The zone that the person's times are told in."""
    if settings.quiet_hours is not None:
        return settings.quiet_hours.time_zone
    zone = await notices.find_zone(connection, settings.user)
    return zone if zone in zones.all_names() else "UTC"


def _item(notice: Notice, zone: str, now: datetime, *, more: str = "") -> NewInboxItem:
    said, kind, about = describe(notice, zone=zone), notice.kind, notice.resource_name
    is_of_run = kind in (NoticeKind.RUN_FAILED, NoticeKind.DELIVERY_FAILED)
    is_of_automation = kind not in (NoticeKind.APPROVAL_WAITING, NoticeKind.DESTINATION_PAUSED)
    return NewInboxItem(
        id=notice.id,
        workspace=notice.workspace,
        user=notice.user,
        kind=InboxItemKind(kind.value),
        subject=said.subject,
        body=said.body + more,
        format="text",
        automation=about.partition("/runs/")[0] if is_of_automation else "",
        run=about if is_of_run else "",
        approval=about if kind is NoticeKind.APPROVAL_WAITING else "",
        destination=about if kind is NoticeKind.DESTINATION_PAUSED else "",
        create_time=now,
    )
