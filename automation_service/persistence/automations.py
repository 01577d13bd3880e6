"""Queries of automations, their revisions and audit events."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import triggers as trigger_rows
from automation_service.persistence.enums import DeliveryState
from automation_service.persistence.records import Automation, Revision
from automation_service.persistence.tables import (
    TENANTS,
    audit_events,
    automations,
    deliveries,
    revisions,
)
from shared import errors, resources
from shared.db import database
from shared.db.queries import matches, newest_first
from shared.definition.states import AutomationStatus
from shared.list_filter import Filter
from shared.security.caller import ApprovalClaim
from shared.templates import template_rules

# A page of whole definitions would be tens of megabytes.
_TRIGGER = sa.func.jsonb_path_query(
    automations.c.definition,
    sa.literal_column("""'$.triggers[*] ? (@.type() == "object")'""", JSONPATH),
    type_=JSONB,
).column_valued("trigger")
_BRIEF = sa.func.jsonb_build_object(
    "triggers",
    sa.select(
        sa.func.coalesce(
            sa.func.jsonb_agg(_TRIGGER.op("-")(sa.literal_column("'static_inputs'", sa.Text))),
            sa.literal_column("'[]'", JSONB),
        )
    )
    .correlate(automations)
    .scalar_subquery(),
    type_=JSONB,
).label("definition")
# How many deliveries of an automation say whether results reach its threads.
NEWEST_DELIVERIES: Final = 20


def _list_places(condition: str) -> sa.ColumnElement[Any]:
    """Where a definition delivers to, as a JSON array: those of a condition of a JSONPath."""
    paths = [
        f'$.{steps}[*] ? (@.action == "deliver").config.to[*]{condition}'
        for steps in ("plan", "execution.on_failure")
    ]
    plan, on_failure = (
        sa.func.jsonb_path_query_array(
            automations.c.definition, sa.cast(path, JSONPATH), type_=JSONB
        )
        for path in paths
    )
    return plan.op("||")(on_failure)


_PLACES: Final = _list_places("")
# The destinations of the workspace.
_DESTINATIONS: Final = _list_places(' ? (@ like_regex "^[^/]+/[^/]+/destinations/")')
_NAME_TAKEN = "uq_automations_workspace_id_resource_id"


async def add(
    connection: AsyncConnection,
    automation: Automation,
    *,
    author: str,
    decision: ApprovalClaim | None = None,
) -> None:
    """Adds an automation, its first revision and its triggers. Raises ResourceExists."""
    # The creator may never have called this service: only the author's call is admitted.
    creator = {"id": automation.creator, "display_name": "", "zone": ""}
    await connection.execute(
        upsert(TENANTS.users)
        .values(**creator, create_time=automation.create_time)
        .on_conflict_do_nothing()
    )
    try:
        await connection.execute(sa.insert(automations).values(_values(automation)))
    except IntegrityError as exc:
        if database.constraint_of(exc) == _NAME_TAKEN:
            raise errors.ResourceExists(automation.resource) from exc
        raise
    await add_revision(
        connection, automation, author=author, decision=decision, now=automation.create_time
    )
    await trigger_rows.add(connection, automation.id, automation.triggers)


async def add_revision(
    connection: AsyncConnection,
    automation: Automation,
    *,
    author: str,
    decision: ApprovalClaim | None,
    now: datetime,
) -> None:
    await connection.execute(
        sa.insert(revisions).values(
            automation_id=automation.id,
            revision=automation.revision,
            definition=automation.definition,
            author_id=author,
            decision=_decision_json(decision),
            template_rules=template_rules.PRESENT,
            create_time=now,
        )
    )


async def find(connection: AsyncConnection, workspace: str, resource_id: str) -> Automation | None:
    return await _one(
        connection,
        (automations.c.workspace_id == workspace) & (automations.c.resource_id == resource_id),
    )


async def get(connection: AsyncConnection, workspace: str, resource_id: str) -> Automation:
    found = await find(connection, workspace, resource_id)
    if found is None:
        raise _missing(workspace, resource_id)
    return found


async def find_by_id(connection: AsyncConnection, automation_id: UUID) -> Automation | None:
    return await _one(connection, automations.c.id == automation_id)


async def find_display_name(connection: AsyncConnection, automation: UUID | None) -> str:
    """Returns the name for people of an automation; empty for one that was deleted."""
    query = sa.select(automations.c.name).where(automations.c.id == automation)
    return str(await connection.scalar(query) or "")


async def lock(connection: AsyncConnection, workspace: str, resource_id: str) -> Automation:
    """Locks the triggers, then the automation: the lock order of every transaction."""
    chosen = (automations.c.workspace_id == workspace) & (automations.c.resource_id == resource_id)
    automation_id = await connection.scalar(sa.select(automations.c.id).where(chosen))
    if automation_id is None:
        raise _missing(workspace, resource_id)
    found = await lock_by_id(connection, automation_id)
    if found is None:  # deleted during the wait for the lock
        raise _missing(workspace, resource_id)
    return found


async def lock_by_id(connection: AsyncConnection, automation_id: UUID) -> Automation | None:
    """Locks as `lock` does. None when the automation is gone."""
    await trigger_rows.lock_all(connection, automation_id)
    await lock_many(connection, [automation_id])
    return await find_by_id(connection, automation_id)


async def lock_many(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    await connection.execute(
        sa.select(automations.c.id)
        .where(automations.c.id.in_(ids))
        .order_by(automations.c.id)
        .with_for_update(key_share=True)
    )


def _delivers_to(operator: str, place: str) -> sa.ColumnElement[bool]:
    named = _PLACES.op("@>", is_comparison=True)(sa.func.to_jsonb(sa.cast(place, sa.Text)))
    return named if operator == "=" else sa.not_(named)


_FILTER_COLUMNS: Final = {
    "state": automations.c.status,
    "create_time": automations.c.create_time,
    "destination": _delivers_to,
}


async def page(
    connection: AsyncConnection,
    workspace: str,
    *,
    size: int,
    after: tuple[datetime, UUID] | None,
    filter_: Filter | None = None,
) -> list[Automation]:
    """Lists automations, newest first: one more than `size` when there is another page.

    Of their definitions they have the triggers without `static_inputs`.
    """
    columns = [_BRIEF if c is automations.c.definition else c for c in automations.c]
    query = sa.select(*columns).where(
        automations.c.workspace_id == workspace, matches(filter_, _FILTER_COLUMNS)
    )
    key = (automations.c.create_time, automations.c.id)
    query = newest_first(query, *key, after=after, limit=size + 1)
    found = [_automation(row) for row in await connection.execute(query)]
    held = await trigger_rows.list_by_automation(connection, [a.id for a in found])
    return [replace(a, triggers=held.get(a.id, ())) for a in found]


async def list_destinations(
    connection: AsyncConnection, ids: Sequence[UUID]
) -> dict[UUID, tuple[str, Sequence[str]]]:
    """Lists the author of the present revision, and the destinations that it names, no threads.

    Leaves out automations that name none, and those of an author who is not known any more.
    """
    query = (
        sa.select(automations.c.id, revisions.c.author_id, _DESTINATIONS.label("to"))
        .join(
            revisions,
            (revisions.c.automation_id == automations.c.id)
            & (revisions.c.revision == automations.c.revision),
        )
        .where(
            automations.c.id.in_(ids),
            revisions.c.author_id.is_not(None),
        )
    )
    found = await connection.execute(query)
    return {row.id: (row.author_id, row.to) for row in found if row.to}


async def list_lost_threads(
    connection: AsyncConnection, ids: Sequence[UUID], error: str
) -> list[tuple[UUID, str]]:
    """Lists the threads of automations to which the last result did not get, for an error.

    Looks at the newest NEWEST_DELIVERIES of each automation.
    """
    columns = deliveries.c
    newest = (
        sa.select(columns.destination, columns.state, columns.error, columns.create_time)
        .where(columns.automation_id == automations.c.id)
        .order_by(columns.create_time.desc())
        .limit(NEWEST_DELIVERIES)
        .lateral("newest")
    )
    place = sa.func.row_number().over(
        partition_by=(automations.c.id, newest.c.destination),
        order_by=newest.c.create_time.desc(),
    )
    last = (
        sa.select(
            automations.c.id,
            newest.c.destination,
            newest.c.state,
            newest.c.error,
            place.label("place"),
        )
        .select_from(automations)
        .join(newest, sa.true())
        .where(
            automations.c.id.in_(ids),
            newest.c.destination.like("workspaces/%/threads/%"),
            newest.c.state.in_((DeliveryState.SENT, DeliveryState.FAILED)),
        )
        .subquery("last")
    )
    # A definition is read for those alone that are lost.
    query = (
        sa.select(last.c.id, last.c.destination)
        .join(automations, automations.c.id == last.c.id)
        .where(
            last.c.place == 1,
            last.c.state == DeliveryState.FAILED,
            last.c.error == error,
            _PLACES.op("@>", is_comparison=True)(sa.func.to_jsonb(last.c.destination)),
        )
    )
    return [(row.id, row.destination) for row in await connection.execute(query)]


async def update(
    connection: AsyncConnection, automation: Automation, values: Mapping[str, Any], now: datetime
) -> None:
    """Updates columns of an automation, and with them its etag."""
    await connection.execute(
        sa.update(automations)
        .where(automations.c.id == automation.id)
        .values(**values, version=automations.c.version + 1, update_time=now)
    )


async def find_next_resume(connection: AsyncConnection) -> datetime | None:
    """Finds the earliest moment at which an automation is to be resumed."""
    found: datetime | None = await connection.scalar(
        sa.select(sa.func.min(automations.c.resume_time)).where(
            automations.c.resume_time.is_not(None)
        )
    )
    return found


async def list_due_resumes(
    connection: AsyncConnection, now: datetime, limit: int
) -> Sequence[UUID]:
    """Lists paused automations whose resume_time has come, the earliest first."""
    query = (
        sa.select(automations.c.id)
        .where(
            automations.c.resume_time <= now,
            automations.c.status == AutomationStatus.PAUSED,
        )
        .order_by(automations.c.resume_time, automations.c.id)
        .limit(limit)
    )
    return (await connection.execute(query)).scalars().all()


async def keep_paused(connection: AsyncConnection, automation_id: UUID, note: str) -> None:
    """Takes the resume_time from a paused automation, and says why."""
    await connection.execute(
        sa.update(automations)
        .where(
            automations.c.id == automation_id,
            automations.c.status == AutomationStatus.PAUSED,
        )
        .values(resume_time=None, pause_note=note, version=automations.c.version + 1)
    )


async def clear_stale_resumes(connection: AsyncConnection) -> None:
    """Clears what a resume by a replica of an older version left, before it is paused again."""
    await connection.execute(
        sa.update(automations)
        .where(
            automations.c.resume_time.is_not(None),
            automations.c.status != AutomationStatus.PAUSED,
        )
        .values(resume_time=None)
    )


async def delete(connection: AsyncConnection, automation_id: UUID) -> None:
    await connection.execute(sa.delete(automations).where(automations.c.id == automation_id))


async def audit(
    connection: AsyncConnection,
    *,
    workspace: str,
    actor: str,
    action: str,
    resource: str,
    decision: ApprovalClaim | None,
    now: datetime,
) -> None:
    """Records what `actor` did, and the decision that it carried out."""
    await connection.execute(
        sa.insert(audit_events).values(
            id=resources.new_id(),
            workspace_id=workspace,
            actor=actor,
            action=action,
            resource=resource,
            decision=_decision_json(decision),
            create_time=now,
        )
    )


async def revision_page(
    connection: AsyncConnection, automation_id: UUID, *, size: int, after: int | None
) -> list[Revision]:
    query = sa.select(revisions).where(revisions.c.automation_id == automation_id)
    last = None if after is None else (after,)
    query = newest_first(query, revisions.c.revision, after=last, limit=size + 1)
    return [_revision(row) for row in await connection.execute(query)]


async def find_revision(
    connection: AsyncConnection, automation_id: UUID, number: int
) -> Revision | None:
    row = (
        await connection.execute(
            sa.select(revisions).where(
                revisions.c.automation_id == automation_id, revisions.c.revision == number
            )
        )
    ).one_or_none()
    return None if row is None else _revision(row)


async def _one(connection: AsyncConnection, where: sa.ColumnElement[bool]) -> Automation | None:
    row = (await connection.execute(sa.select(automations).where(where))).one_or_none()
    if row is None:
        return None
    found = _automation(row)
    held = await trigger_rows.list_by_automation(connection, [found.id])
    return replace(found, triggers=held.get(found.id, ()))


def _missing(workspace: str, resource_id: str) -> errors.ResourceNotFound:
    name = resources.AUTOMATION.format(workspace=workspace, automation=resource_id)
    return errors.ResourceNotFound(name)


def _values(automation: Automation) -> dict[str, Any]:
    return {
        "id": automation.id,
        "workspace_id": automation.workspace,
        "resource_id": automation.resource_id,
        "creator_id": automation.creator,
        "name": automation.name,
        "description": automation.description,
        "status": automation.status,
        "definition": automation.definition,
        "revision": automation.revision,
        "version": automation.version,
        "create_time": automation.create_time,
        "update_time": automation.update_time,
    }


def _automation(row: Any) -> Automation:
    return Automation(
        id=row.id,
        workspace=row.workspace_id,
        resource_id=row.resource_id,
        creator=row.creator_id,
        name=row.name,
        description=row.description,
        status=AutomationStatus(row.status),
        definition=row.definition,
        revision=row.revision,
        version=row.version,
        pause_note=row.pause_note,
        resume_time=row.resume_time if row.status == AutomationStatus.PAUSED else None,
        last_run_status=row.last_run_status,
        consecutive_failures=row.consecutive_failures,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def _revision(row: Any) -> Revision:
    return Revision(
        revision=row.revision,
        definition=row.definition,
        author=row.author_id,
        create_time=row.create_time,
        decision=_decision(row.decision),
    )


def _decision_json(decision: ApprovalClaim | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {**asdict(decision), "decide_time": decision.decide_time.isoformat()}


def _decision(stored: Mapping[str, Any] | None) -> ApprovalClaim | None:
    if stored is None:
        return None
    decide_time = datetime.fromisoformat(stored["decide_time"])
    return ApprovalClaim(**{**stored, "decide_time": decide_time})
