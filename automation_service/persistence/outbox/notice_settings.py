"""Queries of what each person is told of, where and when. One row for a person and workspace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.tables import notice_settings, notices
from shared.db.queries import take_lock
from shared.definition.destination_names import INBOX
from shared.resources import NOTICE_SETTINGS
from shared.schedule.quiet_hours import QuietHours

FAILURE_INTERVAL: Final = timedelta(hours=1)
APPROVAL_DELAY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """A kind without a route goes to the inbox; an empty route goes nowhere."""

    workspace: str
    user: str
    routes: Mapping[NoticeKind, tuple[str, ...]] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    failure_interval: timedelta = FAILURE_INTERVAL
    approval_delay: timedelta = APPROVAL_DELAY
    version: int = 0
    update_time: datetime | None = None

    @property
    def resource(self) -> str:
        return NOTICE_SETTINGS.format(workspace=self.workspace)

    def places(self, kind: NoticeKind) -> tuple[str, ...]:
        return self.routes.get(kind, (INBOX,))


async def get(
    connection: AsyncConnection, workspace: str, user: str, *, lock: bool = False
) -> NoticeSettings:
    """Returns the settings of a person. Version 0 when they never changed."""
    if lock:
        # An advisory lock, because the row may not exist yet.
        await take_lock(connection, f"notice_settings|{workspace}|{user}")
    query = sa.select(notice_settings).where(
        notice_settings.c.workspace_id == workspace, notice_settings.c.user_id == user
    )
    row = (await connection.execute(query)).one_or_none()
    return NoticeSettings(workspace=workspace, user=user) if row is None else _settings(row)


async def save(
    connection: AsyncConnection, changed: NoticeSettings, now: datetime
) -> NoticeSettings:
    """Stores locked settings under the next version, and lets waiting notices be judged anew."""
    values = {
        "routes": {kind.value: list(places) for kind, places in changed.routes.items()},
        "quiet_hours": _quiet_json(changed.quiet_hours),
        "failure_interval": changed.failure_interval,
        "approval_delay": changed.approval_delay,
        "version": changed.version + 1,
        "update_time": now,
    }
    key = {"workspace_id": changed.workspace, "user_id": changed.user}
    written = insert(notice_settings).values(**key, **values)
    row = await connection.execute(
        written.on_conflict_do_update(index_elements=list(key), set_=values).returning(
            notice_settings
        )
    )
    await connection.execute(
        sa.update(notices)
        .where(
            notices.c.workspace_id == changed.workspace,
            notices.c.user_id == changed.user,
            notices.c.due_time > now,
        )
        .values(due_time=now)
    )
    return _settings(row.one())


def _settings(row: Any) -> NoticeSettings:
    return NoticeSettings(
        workspace=row.workspace_id,
        user=row.user_id,
        routes={
            NoticeKind(kind): tuple(places)
            for kind, places in row.routes.items()
            if kind in _KINDS  # a replica of a newer version may know more
        },
        quiet_hours=_quiet_hours(row.quiet_hours),
        failure_interval=row.failure_interval,
        approval_delay=row.approval_delay,
        version=row.version,
        update_time=row.update_time,
    )


_KINDS: Final = frozenset(NoticeKind)


def _quiet_json(quiet: QuietHours | None) -> dict[str, Any] | None:
    if quiet is None:
        return None
    return {
        "time_zone": quiet.time_zone,
        "start": f"{quiet.start:%H:%M}",
        "end": f"{quiet.end:%H:%M}",
        "days": sorted(quiet.days),
    }


def _quiet_hours(stored: Mapping[str, Any] | None) -> QuietHours | None:
    if stored is None:
        return None
    return QuietHours(
        time_zone=stored["time_zone"],
        start=time.fromisoformat(stored["start"]),
        end=time.fromisoformat(stored["end"]),
        days=frozenset(stored["days"]),
    )
