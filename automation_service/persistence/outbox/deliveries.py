"""Queries of deliveries: stored with the result of their step, and sent afterwards."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.outbox import delivery_digests
from automation_service.persistence.tables import (
    DELIVERY_WAITS,
    TENANTS,
    automations,
    deliveries,
    delivery_attempts,
)
from shared.db.queries import matches, newest_first
from shared.db.statements import fetch
from shared.list_filter import Filter
from shared.resources import AUTOMATION, DELIVERY, RUN

# The event type of what a run gave; a notice has its own.
RESULT: Final = "result"
CHANGED: Final = "changed"
# The error of one whose thread is gone.
NO_THREAD: Final = (
    "there is no such thread; the result is in the inbox of the person the automation acted for"
)
# The error of one whose destination took what its step gave later.
SUPERSEDED: Final = "the destination took a newer result of the step first"
# The error of one to the inbox of who is no member any more.
NO_INBOX: Final = "the person the automation acted for is no longer a member of the workspace"
# In the place of the automation or the run of a name.
ANY: Final = "-"
# Of the newest that a destination missed.
MAX_MISSED: Final = 1_000
# Of the newest attempts.
MAX_ATTEMPTS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A delivery as the step that makes it gives it. Its run says whose it is.

    One to the inbox needs no sending: it is SENT when it is stored.
    """

    id: UUID
    run: UUID
    workspace: str
    automation_id: UUID
    automation: str  # the last segment of its name
    step_id: str
    output_step_id: str
    user: str | None  # for whom the run acts
    destination: str
    subject: str
    body: str
    format: str
    condition: str
    content_digest: str
    is_empty: bool
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """What became of a new delivery when it was stored."""

    id: UUID
    state: DeliveryState


# What follows the results of runs in one statement: `changed` has the runs that the attempt still
# holds. The digest of what a destination had last is locked by its update, so that of two runs
# that give the same only one is delivered. Digests are locked in the order of their key.
INSERT: Final = """
given as (
  select d.* from unnest($21::uuid[], $22::uuid[], $23::text[], $24::uuid[], $25::text[],
                         $26::text[], $27::text[], $28::text[], $29::text[], $30::text[],
                         $31::text[], $32::text[], $33::text[], $34::text[], $35::bool[],
                         $36::timestamptz[])
    as d(id, run_id, workspace_id, automation_id, automation, step_id, output_step_id, user_id,
         destination, subject, body, format, condition, content_digest, is_empty, create_time)
    join changed on changed.id = d.run_id
), different as (
  insert into automation.delivery_digests as g
    (automation_id, step_id, destination, digest, delivery_id)
  select automation_id, step_id, destination, content_digest, id from given
   where condition = 'changed' order by automation_id, step_id, destination
  on conflict (automation_id, step_id, destination) do update
    set digest = excluded.digest, delivery_id = excluded.delivery_id
    where g.digest <> excluded.digest
  returning delivery_id as id
), judged as (
  select given.*, case
           when is_empty then 'empty'
           when condition = 'changed' and id not in (select id from different) then 'unchanged'
           when destination = 'inbox' then 'sent'
           else 'pending' end::automation.delivery_state as state
    from given
), delivered as (
  insert into automation.deliveries
    (id, run_id, workspace_id, automation_id, automation, step_id, output_step_id, user_id,
     destination, subject, body, format, condition, content_digest, create_time, state,
     next_attempt_time, end_time)
  select id, run_id, workspace_id, automation_id, automation, step_id, output_step_id, user_id,
         destination, subject, body, format, condition, content_digest, create_time, state,
         case when state = 'pending' then create_time end,
         case when state <> 'pending' then create_time end
    from judged
  on conflict (id) do nothing
  returning run_id, id, state::text
)
"""


def list_arguments(new: Sequence[NewDelivery]) -> list[list[object]]:
    """Returns the values of INSERT, from $21."""
    return [
        [one.id for one in new],
        [one.run for one in new],
        [one.workspace for one in new],
        [one.automation_id for one in new],
        [one.automation for one in new],
        [one.step_id for one in new],
        [one.output_step_id for one in new],
        [one.user for one in new],
        [one.destination for one in new],
        [one.subject for one in new],
        [one.body for one in new],
        [one.format for one in new],
        [one.condition for one in new],
        [one.content_digest for one in new],
        [one.is_empty for one in new],
        [one.time for one in new],
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery: of what a run gave, or of notices. Its body is empty in a list.

    One of notices has neither automation nor run; it may have a link. `event_type` is RESULT, or
    the type of its notices.
    """

    id: UUID
    workspace: str
    automation_id: UUID | None  # None: it was deleted
    automation: str
    run: UUID | None
    step_id: str
    output_step_id: str
    user: str | None
    destination: str
    event_type: str
    subject: str
    body: str
    format: str
    condition: str
    link: str
    state: DeliveryState
    attempts: int
    earlier_attempts: int
    status_code: int
    error: str
    create_time: datetime
    next_attempt_time: datetime | None
    end_time: datetime | None
    notice_ids: tuple[UUID, ...] = ()

    @property
    def resource(self) -> str:
        return DELIVERY.format(
            workspace=self.workspace,
            automation=self.automation or ANY,
            run=self.run or ANY,
            delivery=self.id,
        )

    @property
    def run_name(self) -> str:
        """The name of the run that gave it, or of the failed one; empty for what has none."""
        if self.run is None:
            return self.link if "/runs/" in self.link else ""
        return RUN.format(workspace=self.workspace, automation=self.automation, run=self.run)

    @property
    def automation_name(self) -> str:
        if not self.automation:
            return self.link.partition("/runs/")[0] if "/automations/" in self.link else ""
        return AUTOMATION.format(workspace=self.workspace, automation=self.automation)

    @property
    def is_waiting(self) -> bool:
        return self.state in (DeliveryState.PENDING, DeliveryState.RETRYING)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One without an end goes on, or was cut off."""

    attempt: int
    start_time: datetime
    end_time: datetime | None
    status_code: int
    error: str


# At most $4 destinations of a workspace at once, $5 in all, and $3 deliveries of each. A busy
# destination is skipped, and so is a workspace with as many busy ones. $6 and $7 name them.
# `waiting` reads one entry of ix_deliveries_due for each destination, however many deliveries wait.
# Those that wait for the longest come first, of each workspace one before a second of any.
# What a step delivers when it changed is sent one after the other, of what is due the oldest first.
_CLAIM: Final = """
with recursive busy as (
  select * from unnest($6::text[], $7::text[]) as b(workspace_id, destination)
), waiting as (
  (select workspace_id, destination, next_attempt_time from automation.deliveries
    where state in ('pending', 'retrying')
    order by workspace_id, destination, next_attempt_time limit 1)
  union all
  select n.* from waiting w cross join lateral (
    select workspace_id, destination, next_attempt_time from automation.deliveries d
     where d.state in ('pending', 'retrying')
       and (d.workspace_id, d.destination) > (w.workspace_id, w.destination)
     order by d.workspace_id, d.destination, d.next_attempt_time limit 1) n
), due as (
  select * from waiting where next_attempt_time <= $1
), free as (
  select due.*, row_number() over (partition by workspace_id order by next_attempt_time)
           + (select count(*) from busy where busy.workspace_id = due.workspace_id) as place
    from due where (workspace_id, destination) not in (select * from busy)
), lanes as (
  select * from free where place <= $4 order by place, next_attempt_time limit $5
), heads as (
  select h.id from lanes cross join lateral (
    select distinct on (d.automation_id, d.step_id) d.id from automation.deliveries d
     where d.workspace_id = lanes.workspace_id and d.destination = lanes.destination
       and d.state in ('pending', 'retrying') and d.next_attempt_time <= $1
       and d.condition = 'changed'
     order by d.automation_id, d.step_id, d.create_time, d.id) h
), tried as (
  select b.destination, b.automation_id, b.step_id from lanes cross join lateral (
    select d.destination, d.automation_id, d.step_id
      from automation.deliveries d
      join automation.delivery_attempts t on t.delivery_id = d.id and t.attempt = d.attempts
     where d.workspace_id = lanes.workspace_id and d.destination = lanes.destination
       and d.state in ('pending', 'retrying') and d.next_attempt_time > $1
       and d.condition = 'changed' and d.automation_id is not null and t.end_time is null
     offset 0) b
), first as (
  select f.id from lanes cross join lateral (
    select d.id from automation.deliveries d
     where d.workspace_id = lanes.workspace_id and d.destination = lanes.destination
       and d.state in ('pending', 'retrying') and d.next_attempt_time <= $1
       and (d.condition <> 'changed' or d.automation_id is null
            or (d.id in (select id from heads)
                and (d.destination, d.automation_id, d.step_id) not in (select * from tried)))
     order by d.next_attempt_time limit $3 for no key update skip locked) f
), claimed as (
  update automation.deliveries d
     set attempts = d.attempts + 1, next_attempt_time = $1 + $2
    from first where d.id = first.id
  returning d.id, d.attempts
), begun as (
  insert into automation.delivery_attempts (delivery_id, attempt, start_time)
  select id, attempts, $1 from claimed
)
select id from claimed
"""


async def claim_due(
    connection: AsyncConnection,
    now: datetime,
    *,
    lease: timedelta,
    per_destination: int,
    per_workspace: int,
    destinations: int,
    busy: Collection[tuple[str, str]],
) -> list[Delivery]:
    """Starts an attempt of due deliveries, which are due again after `lease`.

    `busy` names workspaces and destinations; `per_workspace` counts those too.
    """
    found = await fetch(
        connection,
        _CLAIM,
        now,
        lease,
        per_destination,
        per_workspace,
        destinations,
        [workspace for workspace, _ in busy],
        [destination for _, destination in busy],
    )
    ids = [UUID(int=row["id"].int) for row in found]
    if not ids:
        return []
    rows = await connection.execute(sa.select(deliveries).where(deliveries.c.id.in_(ids)))
    return [_delivery(row) for row in rows]


async def end(
    connection: AsyncConnection,
    tried: Delivery,
    *,
    state: DeliveryState,
    status_code: int,
    error: str,
    now: datetime,
) -> bool:
    """Ends a delivery. False when another attempt has started or it has ended.

    A failed one restores the digest that its destination took before. One that was sent again sets
    its own, unless a later one waits.
    """
    values = {"state": state, "next_attempt_time": None, "end_time": now}
    if not await _write(connection, tried, values, status_code, error, now):
        return False
    if tried.condition == CHANGED and tried.automation_id is not None:
        if state is DeliveryState.FAILED:
            await delivery_digests.take_back(connection, tried.id)
        elif tried.earlier_attempts:
            await delivery_digests.put(connection, tried.id)
        else:
            await delivery_digests.confirm(connection, tried.id)
    return True


async def end_older(connection: AsyncConnection, sent: Delivery, now: datetime) -> int:
    """Fails what waits of the same step and destination and is older than what was taken.

    Only of a step that delivers what changed: what its destination has last is the newest it gave.
    Returns their number.
    """
    if sent.condition != CHANGED or sent.automation_id is None:
        return 0
    columns = deliveries.c
    older = (
        sa.select(columns.id)
        .where(
            columns.workspace_id == sent.workspace,
            columns.destination == sent.destination,
            columns.automation_id == sent.automation_id,
            columns.step_id == sent.step_id,
            columns.condition == CHANGED,
            sa.tuple_(columns.create_time, columns.id) < sa.tuple_(sent.create_time, sent.id),
            DELIVERY_WAITS,
        )
        # Whoever ends one holds it and waits for the digest that is locked here.
        .with_for_update(skip_locked=True, key_share=True)
    )
    ended = {
        "state": DeliveryState.FAILED,
        "error": SUPERSEDED,
        "next_attempt_time": None,
        "end_time": now,
    }
    answer = await connection.execute(
        sa.update(deliveries).where(columns.id.in_(older)).values(ended)
    )
    return int(answer.rowcount)


async def postpone(
    connection: AsyncConnection,
    tried: Delivery,
    *,
    status_code: int,
    error: str,
    until: datetime,
    now: datetime,
) -> bool:
    values = {"state": DeliveryState.RETRYING, "next_attempt_time": until}
    return await _write(connection, tried, values, status_code, error, now)


async def fail_without_inbox(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Fails deliveries to an inbox, in the transaction that stored them as SENT."""
    values = {"state": DeliveryState.FAILED, "error": NO_INBOX}
    await connection.execute(sa.update(deliveries).where(deliveries.c.id.in_(ids)).values(values))
    for one in ids:
        await delivery_digests.take_back(connection, one)


async def list_surplus(connection: AsyncConnection, most: int, limit: int) -> list[Delivery]:
    """Lists the oldest of what waits for each destination beyond a number, but none in progress."""
    columns = deliveries.c
    place = (columns.workspace_id, columns.destination)
    crowded = (
        sa.select(*place)
        .where(DELIVERY_WAITS)
        .group_by(*place)
        .having(sa.func.count() > most)
        .subquery("crowded")
    )
    newest_first = (columns.create_time.desc(), columns.id.desc())
    numbered = (
        sa.select(
            columns.id,
            columns.attempts,
            sa.func.row_number().over(partition_by=place, order_by=newest_first).label("number"),
        )
        .where(DELIVERY_WAITS, sa.tuple_(*place).in_(sa.select(crowded)))
        .subquery("numbered")
    )
    tried = sa.select(delivery_attempts.c.attempt).where(
        delivery_attempts.c.delivery_id == numbered.c.id,
        delivery_attempts.c.attempt == numbered.c.attempts,
        delivery_attempts.c.end_time.is_(None),
    )
    ids = sa.select(numbered.c.id).where(numbered.c.number > most, ~tried.exists())
    query = sa.select(deliveries).where(columns.id.in_(ids)).order_by(columns.create_time)
    return [_delivery(row) for row in await connection.execute(query.limit(limit))]


async def send_again(connection: AsyncConnection, delivery: UUID, now: datetime) -> bool:
    """Makes a FAILED delivery due, with as many attempts as a new one. False for any other."""
    answer = await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == delivery, deliveries.c.state == DeliveryState.FAILED)
        .values({**_AGAIN, "next_attempt_time": now})
    )
    return bool(answer.rowcount)


async def send_missed_again(
    connection: AsyncConnection, workspace: str, destination: str, since: datetime, now: datetime
) -> int:
    """Makes the deliveries due that a destination missed, from the oldest on. Returns their number.

    Those are what failed since the last attempt began that it took, of what was made since a
    moment. Of a step that delivers what changed, one that is as the one before it is left out, and
    one that a newer one came before. Notices neither count nor
    are sent: their people found them in the inbox.
    """
    of_it = (
        deliveries.c.workspace_id == workspace,
        deliveries.c.destination == destination,
        deliveries.c.source == RESULT,
    )
    last = (delivery_attempts.c.delivery_id == deliveries.c.id) & (
        delivery_attempts.c.attempt == deliveries.c.attempts
    )
    taken = (
        sa.select(sa.func.max(delivery_attempts.c.start_time))
        .select_from(deliveries.join(delivery_attempts, last))
        .where(*of_it, deliveries.c.state == DeliveryState.SENT)
    )
    before = sa.func.lag(deliveries.c.content_digest).over(
        partition_by=(deliveries.c.automation_id, deliveries.c.step_id),
        order_by=(deliveries.c.create_time, deliveries.c.id),
    )
    failed = (
        sa.select(
            deliveries.c.id,
            deliveries.c.create_time,
            (deliveries.c.condition == CHANGED).label("is_of_change"),
            (deliveries.c.content_digest == before).label("is_same"),
        )
        .where(
            *of_it,
            deliveries.c.state == DeliveryState.FAILED,
            deliveries.c.create_time >= since,
            deliveries.c.error != SUPERSEDED,
            deliveries.c.end_time
            >= sa.func.coalesce(taken.scalar_subquery(), sa.text("'-infinity'::timestamptz")),
        )
        .subquery("failed")
    )
    missed = (
        sa.select(failed.c.id)
        .where(~(failed.c.is_of_change & sa.func.coalesce(failed.c.is_same, sa.false())))
        .order_by(failed.c.create_time.desc())
        .limit(MAX_MISSED)
    )
    due = sa.func.least(deliveries.c.create_time, sa.literal(now, deliveries.c.create_time.type))
    answer = await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.id.in_(missed), deliveries.c.state == DeliveryState.FAILED)
        .values({**_AGAIN, "next_attempt_time": due})
    )
    return int(answer.rowcount)


async def find_oldest_waiting(connection: AsyncConnection) -> datetime | None:
    """Returns the create_time of the oldest delivery that is to be sent."""
    found: datetime | None = await connection.scalar(
        sa.select(sa.func.min(deliveries.c.create_time)).where(DELIVERY_WAITS)
    )
    return found


async def find_last_sent(
    connection: AsyncConnection, automation: UUID, destination: str
) -> UUID | None:
    """Returns the newest delivery of an automation that a destination took."""
    query = (
        sa.select(deliveries.c.id)
        .where(
            deliveries.c.automation_id == automation,
            deliveries.c.destination == destination,
            deliveries.c.state == DeliveryState.SENT,
        )
        .order_by(deliveries.c.create_time.desc())
        .limit(1)
    )
    found: UUID | None = await connection.scalar(query)
    return found


async def find(
    connection: AsyncConnection, name: Mapping[str, str], delivery: UUID, *, lock: bool = False
) -> Delivery | None:
    """Finds a delivery by the parts of its name, of which automation and run may be ANY."""
    query = sa.select(deliveries).where(
        deliveries.c.id == delivery, _is_below(name["workspace"], name["automation"], name["run"])
    )
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _delivery(row)


async def list_attempts(connection: AsyncConnection, delivery: UUID) -> list[DeliveryAttempt]:
    """Lists the last attempts, oldest first."""
    query = (
        sa.select(delivery_attempts)
        .where(delivery_attempts.c.delivery_id == delivery)
        .order_by(delivery_attempts.c.attempt.desc())
        .limit(MAX_ATTEMPTS_SHOWN)
    )
    rows = list(await connection.execute(query))
    return [
        DeliveryAttempt(
            attempt=row.attempt,
            start_time=row.start_time,
            end_time=row.end_time,
            status_code=row.status_code,
            error=row.error,
        )
        for row in reversed(rows)
    ]


_FILTER_COLUMNS: Final = {
    "state": deliveries.c.state,
    "destination": deliveries.c.destination,
    "create_time": deliveries.c.create_time,
}


async def page(
    connection: AsyncConnection,
    name: Mapping[str, str],
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None = None,
) -> list[Delivery]:
    """Lists deliveries below a run's name, newest first: one more than `size` if there is one."""
    columns = [column for column in deliveries.c if column is not deliveries.c.body]
    query = sa.select(*columns, sa.literal("").label("body")).where(
        _is_below(name["workspace"], name["automation"], name["run"]),
        matches(filter_, _FILTER_COLUMNS),
    )
    key = (deliveries.c.create_time, deliveries.c.id)
    query = newest_first(query, *key, after=after, limit=size + 1)
    return [_delivery(row) for row in await connection.execute(query)]


async def find_user_role(connection: AsyncConnection, workspace: str, user: str) -> str:
    """Returns the role that a user has in a workspace now; empty for who is no member."""
    members = TENANTS.memberships.c
    query = sa.select(members.role).where(
        members.workspace_id == workspace,
        members.user_id == user,
        members.revoked_time.is_(None),
    )
    return str(await connection.scalar(query) or "")


_AGAIN: Final[Mapping[str, Any]] = {
    "state": DeliveryState.PENDING,
    "earlier_attempts": deliveries.c.attempts,
    "status_code": 0,
    "error": "",
    "end_time": None,
}


def _is_below(workspace: str, automation: str, run: str) -> sa.ColumnElement[bool]:
    """The condition on results below a run, an automation or a workspace.

    A run that is not ANY is a UUID. Notices are below none: they are for one person.
    """
    conditions = [deliveries.c.workspace_id == workspace, deliveries.c.source == RESULT]
    if automation != ANY and run == ANY:
        # The one that has the name now, and none that had it before.
        named = sa.select(automations.c.id).where(
            automations.c.workspace_id == workspace, automations.c.resource_id == automation
        )
        conditions.append(deliveries.c.automation_id == named.scalar_subquery())
    elif automation != ANY:
        conditions.append(deliveries.c.automation == automation)
    if run != ANY:
        conditions.append(deliveries.c.run_id == UUID(run))
    return sa.and_(*conditions)


async def _write(
    connection: AsyncConnection,
    tried: Delivery,
    values: Mapping[str, Any],
    status_code: int,
    error: str,
    now: datetime,
) -> bool:
    """Stores the answer of an attempt that the delivery still waits for."""
    answer = await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == tried.id, deliveries.c.attempts == tried.attempts, DELIVERY_WAITS)
        .values(**values, status_code=status_code, error=error)
    )
    await connection.execute(
        sa.update(delivery_attempts)
        .where(
            delivery_attempts.c.delivery_id == tried.id,
            delivery_attempts.c.attempt == tried.attempts,
            delivery_attempts.c.end_time.is_(None),
        )
        .values(end_time=now, status_code=status_code, error=error)
    )
    return bool(answer.rowcount)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        workspace=row.workspace_id,
        automation_id=row.automation_id,
        automation=row.automation,
        run=row.run_id,
        step_id=row.step_id,
        output_step_id=row.output_step_id,
        user=row.user_id,
        destination=row.destination,
        event_type=row.source,
        subject=row.subject,
        body=row.body,
        format=row.format,
        condition=row.condition,
        link=row.link,
        state=row.state,
        attempts=row.attempts,
        earlier_attempts=row.earlier_attempts,
        status_code=row.status_code,
        error=row.error,
        create_time=row.create_time,
        next_attempt_time=row.next_attempt_time,
        end_time=row.end_time,
        notice_ids=tuple(UUID(int=one.int) for one in row.notice_ids),
    )
