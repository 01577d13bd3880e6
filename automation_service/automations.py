"""Automations: create, get, list."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service import planning
from automation_service.persistence import automations as rows
from automation_service.persistence.records import Automation
from automation_service.persistence.tables import automations as table
from automation_service.requests import Once, Request, new_name
from shared import errors, fires_left, refusal, registries
from shared.caller import Caller
from shared.clock import Clock
from shared.definition import AutomationCreate, AutomationStatus, dump
from shared.registries import Catalogue
from shared.requests import Condition, Page, conditions, etag


@dataclass(frozen=True, slots=True, kw_only=True)
class Automations:
    """`written` is called after a change that may bring a fire nearer."""

    store: AsyncEngine
    clock: Clock
    once: Once
    catalogue: Callable[[], Catalogue]
    written: Callable[[], None]

    async def create(
        self,
        who: Caller,
        workspace: str,
        said: Mapping[str, Any],
        *,
        automation_id: str,
        request_id: str,
        body: bytes,
    ) -> Automation:
        """Saves an automation whose creator is the caller; at once it is active."""

        async def add(connection: AsyncConnection) -> Automation:
            # Not before: a repeat is answered even when it could no longer be saved anew.
            made = self._made(who, workspace, said, automation_id)
            await rows.add(connection, made)
            return made

        request = Request(
            rpc="CreateAutomation",
            workspace=workspace,
            user=who.user,
            request_id=request_id,
            body=body,
        )
        saved = await self.once.change(request, add)
        self.written()
        return saved

    async def validated(
        self, who: Caller, workspace: str, said: Mapping[str, Any], *, automation_id: str
    ) -> Automation:
        """The canonical automation that `create` would save; its name only if chosen."""
        made = self._made(who, workspace, said, automation_id)
        if automation_id:
            async with self.store.connect() as connection:
                if await rows.find(connection, workspace, automation_id):
                    raise errors.ResourceExists(made.resource)
        return replace(made, resource_id=automation_id, version=0)

    async def get(self, workspace: str, automation_id: str) -> Automation:
        async with self.store.connect() as connection:
            return await rows.get(connection, workspace, automation_id)

    async def list(
        self, workspace: str, page: Page, filter_: str
    ) -> tuple[Sequence[Automation], str]:
        where = [_condition(c) for c in conditions(filter_, _FILTERS)]
        async with self.store.connect() as connection:
            found = await rows.page(
                connection, workspace, size=page.size, after=moment_and_id(page), where=where
            )
        return one_page(page, found, lambda last: (last.create_time, last.id))

    def _made(
        self, who: Caller, workspace: str, said: Mapping[str, Any], chosen: str
    ) -> Automation:
        checked = checked_create(said, self.catalogue())
        now = self.clock.now()
        definition = checked.definition
        fires_left.require(definition, now, fires_left.unfired(definition), field="automation")
        made_id, resource_id = new_name(workspace, chosen)
        return Automation(
            id=made_id,
            workspace=workspace,
            resource_id=resource_id,
            creator=who.user,
            name=checked.display_name,
            description=checked.description,
            status=AutomationStatus.ACTIVE,
            definition=dump(definition),
            revision=1,
            version=1,
            create_time=now,
            update_time=now,
            triggers=tuple(planning.new_trigger(spec, now) for spec in definition.triggers),
        )


def checked_create(
    said: Mapping[str, Any], catalogue: Catalogue, *, field: str = "automation"
) -> AutomationCreate:
    """The automation that was said, or InvalidRequest with each fault's path."""
    refusal.refuse(registries.check(said, catalogue), field=field)
    return AutomationCreate.model_validate(dict(said))


def etag_of(found: Automation) -> str:
    return etag(found.id, found.version) if found.version else ""


def require_etag(found: Automation, said: str) -> None:
    if said and said != etag_of(found):
        raise errors.EtagMismatch(found.resource, etag_of(found))


def moment_and_id(page: Page) -> tuple[datetime, UUID] | None:
    """The key of the last row before the page."""
    if page.after is None:
        return None
    try:
        moment, row_id = page.after
        return datetime.fromisoformat(moment), UUID(row_id)
    except (ValueError, TypeError, AttributeError):
        raise errors.invalid("page_token", "is not a token of this service") from None


def one_page(
    page: Page, found: Sequence[Any], key: Callable[[Any], Sequence[Any]]
) -> tuple[Sequence[Any], str]:
    """The rows of a page, and the token of the next one if more were found."""
    shown = found[: page.size]
    return shown, page.token(key(shown[-1]) if len(found) > page.size else None)


_FILTERS = {"state": "= !=", "create_time": "< <= > >="}


def _condition(condition: Condition) -> sa.ColumnElement[bool]:
    if condition.field == "state":
        return compared(
            table.c.status, condition.operator, state_named(condition.value, AutomationStatus)
        )
    return compared(table.c.create_time, condition.operator, condition.moment())


def state_named(value: str, states: Any) -> Any:
    try:
        return states[value]
    except KeyError:
        raise errors.invalid(
            "filter", f"{value!r} is none of {', '.join(states.__members__)}"
        ) from None


def compared(column: Any, operator: str, value: Any) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = column.op(operator.replace("!=", "<>"), is_comparison=True)(
        value
    )
    return found
