"""Queries of what destinations had last of steps that deliver what changed."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.tables import automations, delivery_digests


async def lock(connection: AsyncConnection, workspace: str, destination: str) -> None:
    """Locks those of a destination in the order of their key.

    The end of a delivery locks them before the destination, and so does who asks for both.
    """
    columns = delivery_digests.c
    query = sa.select(columns.delivery_id).where(_is_of(workspace, destination))
    order = (columns.automation_id, columns.step_id)
    await connection.execute(query.order_by(*order).with_for_update())


async def delete(connection: AsyncConnection, workspace: str, destination: str) -> None:
    """Has the next result of each step reach the destination, as nothing has reached it yet."""
    await connection.execute(sa.delete(delivery_digests).where(_is_of(workspace, destination)))


def _is_of(workspace: str, destination: str) -> sa.ColumnElement[bool]:
    ours = sa.select(automations.c.id).where(automations.c.workspace_id == workspace)
    columns = delivery_digests.c
    return columns.automation_id.in_(ours) & (columns.destination == destination)
