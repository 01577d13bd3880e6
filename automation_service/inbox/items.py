"""Items on their way into inboxes: cut to the size that one may have, and added once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import inbox as rows
from automation_service.persistence.enums import InboxItemKind
from automation_service.persistence.inbox import NewInboxItem
from shared.db.storable_text import clean
from shared.registries.actions.deliver import MAX_BODY, MAX_SUBJECT
from shared.telemetry import metrics
from shared.text.snippet import cut_line, first_line

__all__ = ["InboxItemKind", "NewInboxItem", "add_items"]

CUT: Final = "\n\n… The rest is cut; the run has all of it."

# Items of one statement, whose parameters PostgreSQL counts.
_BATCH: Final = 500


async def add_items(connection: AsyncConnection, items: Sequence[NewInboxItem]) -> frozenset[UUID]:
    """Adds items, in the transaction of `connection`. Returns the ids that are new.

    A repeat of an id changes nothing. An item of somebody who is no member of the workspace is
    left out. Subjects and bodies are cut to their limits, and the snippet is made of the body, so
    no text makes this fail.
    """
    made: set[UUID] = set()
    for start in range(0, len(items), _BATCH):
        batch = [fit_item(item) for item in items[start : start + _BATCH]]
        made.update(await rows.insert_items(connection, batch))
    for item in items:
        if item.id in made:
            metrics.count("rota.inbox.items", kind=str(item.kind))
    return frozenset(made)


def fit_item(item: NewInboxItem) -> NewInboxItem:
    """Returns the item as it is stored."""
    body = clean(item.body)
    return replace(
        item,
        subject=cut_line(clean(item.subject), MAX_SUBJECT),
        snippet=first_line(item.snippet or body),
        body=_cut(body),
    )


def _cut(body: str) -> str:
    encoded = body.encode()
    if len(encoded) <= MAX_BODY:
        return body
    return encoded[: MAX_BODY - len(CUT.encode())].decode(errors="ignore") + CUT
