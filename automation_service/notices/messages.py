"""Messages to a destination: of one notice, or of several that go out together. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from automation_service.notices.links import build_link
from automation_service.notices.text import describe
from automation_service.persistence.enums import DestinationKind
from automation_service.persistence.outbox.notice_deliveries import NewNoticeDelivery
from automation_service.persistence.outbox.notices import Notice
from shared import resources

# The type of a message that tells of several notices.
BUNDLE_TYPE: Final = "notice.digest"
# Of one notice among several; its link has the rest.
MAX_ENTRY: Final = 400
# What the kinds of destinations take whole, in UTF-8: more notices are more messages.
MAX_BYTES: Final = 3_000
MAX_BYTES_OF_KIND: Final = {DestinationKind.PUSHOVER: 900}


def build_messages(
    told: Sequence[Notice], *, destination: str, kind: DestinationKind, zone: str, page_url: str
) -> list[NewNoticeDelivery]:
    """Returns the messages that tell notices of one person, each in one of them."""
    if len(told) == 1:
        return [_build_single(told[0], destination, zone)]
    entries = [(notice, _write_entry(notice, zone, page_url)) for notice in told]
    limit = MAX_BYTES_OF_KIND.get(kind, MAX_BYTES)
    return [
        _build_single(part[0][0], destination, zone)
        if len(part) == 1
        else _build_bundle(part, destination)
        for part in _split(entries, limit)
    ]


def _build_single(notice: Notice, destination: str, zone: str) -> NewNoticeDelivery:
    said = describe(notice, zone=zone)
    return NewNoticeDelivery(
        id=resources.new_id(),
        workspace=notice.workspace,
        user=notice.user,
        destination=destination,
        notices=[notice.id],
        event_type=notice.kind.value.replace("_", "."),
        subject=said.subject,
        body=said.body,
        link=notice.resource_name,
    )


Entry = tuple[Notice, str]


def _build_bundle(entries: Sequence[Entry], destination: str) -> NewNoticeDelivery:
    first, _ = entries[0]
    return NewNoticeDelivery(
        id=resources.new_id(),
        workspace=first.workspace,
        user=first.user,
        destination=destination,
        notices=[notice.id for notice, _ in entries],
        event_type=BUNDLE_TYPE,
        subject=f"{len(entries)} notices",
        body="\n\n".join(text for _, text in entries),
    )


def _write_entry(notice: Notice, zone: str, page_url: str) -> str:
    body = describe(notice, zone=zone).body
    text = body if len(body) <= MAX_ENTRY else f"{body[: MAX_ENTRY - 1]}…"
    link = build_link(page_url, notice.resource_name)
    return f"{text}\n{link}" if link else text


def _split(entries: Sequence[Entry], limit: int) -> Iterator[list[Entry]]:
    """Yields entries that fit into one message together. One that does not fit is alone."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        more = len(entry[1].encode()) + 2
        if part and size + more > limit:
            yield part
            part, size = [], 0
        part.append(entry)
        size += more
    if part:
        yield part
