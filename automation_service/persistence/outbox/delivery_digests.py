"""Queries of digests: what a destination last took from a step that sends only changes.

A delivery sets the digest when it is stored, so that one text is not sent twice while it is tried.
`taken_digest` is that of the last delivery that arrived; one that fails for good restores it.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.tables import automations, deliveries, delivery_digests


async def lock(connection: AsyncConnection, workspace: str, destination: str) -> None:
    """Locks the digests of a destination in the order of their key.

    Whoever locks the destination too locks them first, as the end of a delivery does.
    """
    columns = delivery_digests.c
    query = sa.select(columns.delivery_id).where(_is_of(workspace, destination))
    order = (columns.automation_id, columns.step_id)
    await connection.execute(query.order_by(*order).with_for_update())


async def delete(connection: AsyncConnection, workspace: str, destination: str) -> None:
    """Deletes the digests of a destination: the next result of each step is sent to it."""
    await connection.execute(sa.delete(delivery_digests).where(_is_of(workspace, destination)))


async def confirm(connection: AsyncConnection, delivery: UUID) -> None:
    """Records that a delivery arrived, unless a later one has set the digest."""
    columns = delivery_digests.c
    await connection.execute(
        sa.update(delivery_digests)
        .where(columns.delivery_id == delivery)
        .values(taken_digest=columns.digest)
    )


async def take_back(connection: AsyncConnection, delivery: UUID) -> None:
    """Restores what the destination took before a delivery that failed for good."""
    columns = delivery_digests.c
    of_it = columns.delivery_id == delivery
    await connection.execute(
        sa.delete(delivery_digests).where(of_it, columns.taken_digest.is_(None))
    )
    await connection.execute(
        sa.update(delivery_digests).where(of_it).values(digest=columns.taken_digest)
    )


async def put(connection: AsyncConnection, delivery: UUID) -> None:
    """Sets the digest of a delivery that was sent again, unless a later one waits that sets it."""
    source = sa.select(
        deliveries.c.automation_id,
        deliveries.c.step_id,
        deliveries.c.destination,
        deliveries.c.content_digest,
        deliveries.c.content_digest,
        deliveries.c.id,
    ).where(deliveries.c.id == delivery, deliveries.c.automation_id.is_not(None))
    key = ["automation_id", "step_id", "destination"]
    values = ["digest", "taken_digest", "delivery_id"]
    had = insert(delivery_digests).from_select([*key, *values], source)
    kept = deliveries.alias("kept")
    # The row that is there. As a column it would name the table once more in the subquery.
    there: sa.ColumnElement[UUID] = sa.literal_column("delivery_digests.delivery_id")
    made = sa.select(deliveries.c.create_time).where(deliveries.c.id == delivery)
    later = sa.select(kept.c.id).where(
        kept.c.id == there,
        kept.c.create_time > made.scalar_subquery(),
        kept.c.state.in_((DeliveryState.PENDING, DeliveryState.RETRYING)),
    )
    await connection.execute(
        had.on_conflict_do_update(
            index_elements=key,
            set_={name: had.excluded[name] for name in values},
            where=~later.exists(),
        )
    )


async def forget(connection: AsyncConnection, delivery: UUID) -> None:
    """Deletes the digest that a delivery has set when it was sent again.

    Its end has locked the row, if there is one.
    """
    await connection.execute(
        sa.delete(delivery_digests).where(delivery_digests.c.delivery_id == delivery)
    )


def _is_of(workspace: str, destination: str) -> sa.ColumnElement[bool]:
    ours = sa.select(automations.c.id).where(automations.c.workspace_id == workspace)
    columns = delivery_digests.c
    return columns.automation_id.in_(ours) & (columns.destination == destination)
