"""The methods of automations: create, get, list."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.automations import notes
from automation_service.automations.destination_references import require_checked_destinations
from automation_service.automations.model_references import require_checked
from automation_service.automations.save_checks import CheckResults, SaveChecks
from automation_service.destinations.use_faults import UseFault, find_use_faults_of_many
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import automations as rows
from automation_service.persistence import slots as slot_rows
from automation_service.persistence.outbox.deliveries import NO_THREAD
from automation_service.persistence.records import Automation
from automation_service.scheduling import triggers
from shared import errors, list_filter, resources
from shared.aip import (
    Page,
    check_etag,
    compute_etag,
)
from shared.clock import Clock
from shared.definition.destination_names import read_place
from shared.definition.envelope import AutomationCreate, dump
from shared.definition.states import AutomationStatus
from shared.json import canonical_json
from shared.registries.catalogue import Catalogue
from shared.rpc.idempotency import IdempotencyKey
from shared.security.caller import Caller
from shared.validation import never_fires, violations


@dataclass(frozen=True, slots=True, kw_only=True)
class Automations:
    """`on_change` is called after a change that may bring the next slot nearer."""

    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    catalogue: Callable[[], Catalogue]
    save_checks: SaveChecks
    on_change: Callable[[], None]

    async def create(
        self,
        who: Caller,
        key: IdempotencyKey,
        said: Mapping[str, Any],
        *,
        automation_id: str,
    ) -> Automation:
        """Saves an active automation.

        Its runs act for the caller. Its creator is the caller, or who asked for what was approved.
        """

        async def save(checked: CheckResults) -> Automation:
            async def add(connection: AsyncConnection) -> Automation:
                # Inside: a repeat returns the automation even when it is no longer valid.
                made = self._build(who, key.workspace, said, automation_id, checked)
                await rows.add(connection, made, author=who.user, decision=who.approval)
                return made

            return await self.changes.change(key, add)

        saved = await self.save_checks.check_in(key.workspace, who.user, save)
        self.on_change()
        return saved

    async def validate(
        self, who: Caller, workspace: str, said: Mapping[str, Any], *, automation_id: str
    ) -> Automation:
        """Returns what `create` would save, without a name."""

        async def build(checked: CheckResults) -> Automation:
            return self._build(who, workspace, said, automation_id, checked)

        made = await self.save_checks.check_in(workspace, who.user, build)
        if automation_id:
            async with self.db.connect() as connection:
                if await rows.find(connection, workspace, automation_id):
                    raise errors.ResourceExists(made.resource)
        return replace(made, resource_id="", version=0)

    async def get(self, workspace: str, automation_id: str) -> Automation:
        async with self.db.connect() as connection:
            found = await rows.get(connection, workspace, automation_id)
            return (await self._with_notes(connection, [found]))[0]

    async def list(self, workspace: str, page: Page, filter_: str) -> Sequence[Automation]:
        """Returns a page and one more if there is one, without `static_inputs`."""
        wanted = list_filter.parse(filter_, _FILTER_FIELDS)
        async with self.db.connect() as connection:
            found = await rows.page(
                connection,
                workspace,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
            )
            return await self._with_notes(connection, found)

    async def _with_notes(
        self, connection: AsyncConnection, found: Sequence[Automation]
    ) -> Sequence[Automation]:
        """Reads the last slots of all their triggers at once, and all their destinations."""
        triggers = [one.id for owner in found for one in owner.triggers if one.enabled]
        outcomes = await slot_rows.list_last_outcomes(connection, triggers, notes.LAST_SLOTS)
        faults = await _find_faults(connection, found)
        now = self.clock.now()
        return [
            replace(one, notes=notes.find_notes(one, outcomes, now, faults.get(one.id, ())))
            for one in found
        ]

    def _build(
        self,
        who: Caller,
        workspace: str,
        said: Mapping[str, Any],
        chosen: str,
        outside: CheckResults,
    ) -> Automation:
        checked = parse_create(said, self.catalogue(), outside)
        now = self.clock.now()
        definition = checked.definition
        require_checked(definition, outside.models, field="automation")
        require_checked_destinations(definition, who.user, outside.destinations, field="automation")
        never_fires.require(definition, now, never_fires.zero_fires(definition), field="automation")
        made_id = resources.new_id()
        return Automation(
            id=made_id,
            workspace=workspace,
            resource_id=chosen or str(made_id),
            creator=who.approval.requester if who.approval else who.user,
            name=checked.display_name,
            description=checked.description,
            status=AutomationStatus.ACTIVE,
            definition=dump(definition),
            revision=1,
            version=1,
            create_time=now,
            update_time=now,
            triggers=tuple(triggers.build_trigger(spec, now) for spec in definition.triggers),
        )


async def _find_faults(
    connection: AsyncConnection, found: Sequence[Automation]
) -> Mapping[UUID, Sequence[UseFault]]:
    """Finds what is wrong with the destinations of automations of one workspace."""
    ids = [one.id for one in found]
    faults: dict[UUID, list[UseFault]] = defaultdict(list)
    if named := await rows.list_destinations(connection, ids):
        of_each = await find_use_faults_of_many(
            connection, found[0].workspace, list(named.values())
        )
        for one, wrong in zip(named, of_each, strict=True):
            faults[one] += wrong
    for one, thread in await rows.list_lost_threads(connection, ids, NO_THREAD):
        faults[one].append(
            UseFault(
                name=thread,
                called="its thread",
                description="there is no such thread, so results come to the inbox instead",
                is_refused=False,
            )
        )
    return faults


def parse_create(
    said: Mapping[str, Any],
    catalogue: Catalogue,
    outside: CheckResults,
    *,
    field: str = "automation",
) -> AutomationCreate:
    """Parses and checks an automation.

    Raises InvalidRequest with the path of each violation, and UncheckedDefinition.
    """
    violations.refuse(outside.find_violations(said, catalogue), field=field)
    return AutomationCreate.model_validate(dict(said))


def etag_of(found: Automation) -> str:
    return compute_etag(found.id, found.version) if found.version else ""


def payload_digest(found: Automation) -> str:
    """Returns the digest of what an update may change."""
    return canonical_json.digest(
        {
            "display_name": found.name,
            "description": found.description,
            "definition": found.definition,
        }
    )


def require_etag(found: Automation, given: str) -> None:
    check_etag(given, etag_of(found), name=found.resource)


_FILTER_FIELDS: Final = {
    "state": list_filter.state(AutomationStatus),
    "create_time": list_filter.TIME,
    "destination": list_filter.Kind(("=", "!="), read_place),
}
