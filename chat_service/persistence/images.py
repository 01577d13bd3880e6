"""Images. A workspace stores each once, under the hash of its bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables

t = tables.images
shown = tables.thread_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    sha256: str
    mime_type: str
    data: bytes


async def save(
    connection: AsyncConnection,
    workspace: str,
    thread: UUID,
    images: Sequence[Image],
    now: datetime,
) -> None:
    """Stores images for as long as a thread shows them."""
    # In hash order, so that two transactions never deadlock.
    for image in sorted(images, key=lambda one: one.sha256):
        row = upsert(t).values(
            workspace_id=workspace,
            sha256=image.sha256,
            mime_type=image.mime_type,
            data=image.data,
            create_time=now,
        )
        # The update locks the row, so that `delete_unreferenced` waits.
        await connection.execute(
            row.on_conflict_do_update(
                index_elements=["workspace_id", "sha256"], set_={"create_time": t.c.create_time}
            )
        )
        await connection.execute(
            upsert(shown)
            .values(thread_id=thread, workspace_id=workspace, sha256=image.sha256)
            .on_conflict_do_nothing()
        )


async def get(connection: AsyncConnection, workspace: str, sha256: str) -> Image | None:
    query = sa.select(t.c.sha256, t.c.mime_type, t.c.data).where(
        t.c.workspace_id == workspace, t.c.sha256 == sha256
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else Image(**row)


async def list_hashes(connection: AsyncConnection, thread: UUID) -> list[str]:
    return list(
        await connection.scalars(sa.select(shown.c.sha256).where(shown.c.thread_id == thread))
    )


async def delete_unreferenced(
    connection: AsyncConnection, workspace: str, hashes: Sequence[str]
) -> None:
    """Deletes those of the images that no thread shows any more."""
    these = sa.and_(t.c.workspace_id == workspace, t.c.sha256.in_(hashes))
    # `save` in another transaction holds these rows; the next statement sees what it stored.
    locked = sa.select(t.c.sha256).where(these).order_by(t.c.sha256).with_for_update()
    await connection.execute(locked)
    elsewhere = sa.exists().where(
        shown.c.workspace_id == t.c.workspace_id, shown.c.sha256 == t.c.sha256
    )
    await connection.execute(sa.delete(t).where(these, ~elsewhere))
