"""Models that users add. A user sees only their own, in one workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.persistence import tables
from shared.db.queries import take_lock

t = tables.model_configs


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """`api_key` is encrypted and bound to `bound_to`; None for an endpoint without a key.

    `settings` are the members of RequestOptions that are set. `extra_headers` are JSON, encrypted
    and bound to `headers_bound_to`.
    """

    id: int
    workspace_id: str
    user_id: str
    display_name: str
    model: str
    base_url: str
    api_key: bytes | None
    key_hint: str
    supports_images: bool | None
    context_tokens: int | None
    settings: dict[str, Any] | None = None
    extra_headers: bytes | None = None
    header_names: list[str] | None = None
    revision: int
    create_time: datetime
    update_time: datetime

    @property
    def bound_to(self) -> str:
        return f"chat.model_configs/{self.workspace_id}/{self.user_id}/{self.id}"

    @property
    def headers_bound_to(self) -> str:
        return f"{self.bound_to}/headers"


async def allocate_id(connection: AsyncConnection) -> int:
    found = await connection.scalar(
        sa.text("select nextval(pg_get_serial_sequence('model_configs', 'id'))")
    )
    assert found is not None
    return int(found)


async def insert(connection: AsyncConnection, row: OwnModel) -> None:
    values = {c.name: getattr(row, c.name) for c in t.columns}
    await connection.execute(sa.insert(t).values(values))


async def get(
    connection: AsyncConnection, config_id: int, *, workspace: str, user: str, lock: bool = False
) -> OwnModel | None:
    query = sa.select(t).where(
        t.c.id == config_id, t.c.workspace_id == workspace, t.c.user_id == user
    )
    if lock:
        query = query.with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else OwnModel(**row)


async def list_by_owner(
    connection: AsyncConnection, *, workspace: str, user: str
) -> list[OwnModel]:
    """Returns all models of the user, oldest first."""
    query = sa.select(t).where(t.c.workspace_id == workspace, t.c.user_id == user).order_by(t.c.id)
    return [OwnModel(**row) for row in (await connection.execute(query)).mappings()]


async def lock_owner(connection: AsyncConnection, *, workspace: str, user: str) -> None:
    """Blocks other additions of the user until the transaction ends."""
    await take_lock(connection, f"model_configs|{workspace}|{user}")


async def update(
    connection: AsyncConnection, config_id: int, now: datetime, values: dict[str, Any]
) -> None:
    await connection.execute(
        sa.update(t)
        .where(t.c.id == config_id)
        .values(update_time=now, revision=t.c.revision + 1, **values)
    )


async def delete(connection: AsyncConnection, row: OwnModel) -> None:
    """Also unpins the model from threads."""
    threads = tables.threads
    await connection.execute(
        sa.update(threads)
        .where(threads.c.workspace_id == row.workspace_id, threads.c.model_config_id == row.id)
        .values(model_config_id=0)
    )
    await connection.execute(sa.delete(t).where(t.c.id == row.id))


async def list_with_other_key(
    connection: AsyncConnection, prefix: bytes, *, after: int, limit: int
) -> Sequence[OwnModel]:
    """Returns rows with a secret that does not begin with `prefix`, locked, in order of id."""
    size = len(prefix)
    old = [
        secret.is_not(None) & (sa.func.substring(secret, 1, size) != prefix)
        for secret in (t.c.api_key, t.c.extra_headers)
    ]
    query = (
        sa.select(t)
        .where(sa.or_(*old), t.c.id > after)
        .order_by(t.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [OwnModel(**row) for row in (await connection.execute(query)).mappings()]


async def replace_secrets(connection: AsyncConnection, row: OwnModel) -> None:
    """Stores the same secrets, encrypted again. The revision stays: nothing visible changes."""
    secrets = {"api_key": row.api_key, "extra_headers": row.extra_headers}
    await connection.execute(sa.update(t).where(t.c.id == row.id).values(secrets))
