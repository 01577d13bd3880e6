"""The methods of destinations: create, get, list, update, delete, enable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.destinations import access
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.destinations.settings import SplitSettings, read_change, read_split
from automation_service.destinations.verification_code import clear_code
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence.enums import DestinationKind, DestinationState
from automation_service.persistence.outbox import deliveries, delivery_digests
from automation_service.persistence.outbox import destinations as rows
from automation_service.persistence.outbox.destinations import Destination
from shared import errors, list_filter, resources
from shared.aip import Page, check_digest, check_etag, compute_etag, require_same
from shared.clock import Clock
from shared.errors import FieldReason
from shared.json import canonical_json
from shared.rpc.idempotency import IdempotencyKey
from shared.security.caller import Caller
from shared.text.invisible_characters import name_fault

MAX_DESTINATIONS_OF_PERSON: Final = 50  # of one user in one workspace
MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationDraft:
    """What a caller gives for a new destination. `values` are settings as channels have them."""

    display_name: str
    kind: DestinationKind
    values: Mapping[str, Any]
    personal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationChange:
    """What an update changes; None leaves it. `kind` is that of the settings that are given.

    `secrets` has those that are given by themselves: an empty one is taken away.
    """

    display_name: str | None = None
    kind: DestinationKind | None = None
    values: Mapping[str, Any] | None = None
    secrets: Mapping[str, Any] = field(default_factory=dict)
    # What the caller takes it for, which no update changes.
    personal: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """`local` allows http and addresses that are not public.

    `on_due` is called after deliveries are to be sent again.
    """

    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    secrets: DestinationSecrets
    local: bool
    on_due: Callable[[], None] = lambda: None

    async def create(
        self, who: Caller, key: IdempotencyKey, draft: DestinationDraft, destination_id: str
    ) -> Destination:
        """Raises ResourceExists for an id that a destination has or had, and StateConflict for one
        too many.
        """

        async def act(connection: AsyncConnection) -> str:
            made = self._build(who, key.workspace, draft, destination_id)
            await _require_room(connection, who, made, lock=True)
            if not await rows.take_name(connection, made.workspace, made.resource_id):
                raise errors.ResourceExists(made.resource)
            await rows.insert(connection, made)
            return made.resource

        return await self.get(who, await self.changes.make(key, act))

    async def validate_new(
        self, who: Caller, workspace: str, draft: DestinationDraft, destination_id: str
    ) -> Destination:
        """Returns what `create` would store, or raises what it would. Stores nothing."""
        made = self._build(who, workspace, draft, destination_id)
        async with self.db.connect() as connection:
            await _require_room(connection, who, made, lock=False)
        return made

    async def get(self, who: Caller, name: str) -> Destination:
        async with self.db.connect() as connection:
            return await find_seen(connection, who, name)

    async def list(
        self, who: Caller, workspace: str, page: Page, filter_: str
    ) -> Sequence[Destination]:
        """Returns a page and one more if there is one."""
        wanted = list_filter.parse(filter_, _FILTER_FIELDS)
        reader = None if access.may_see_all(who, workspace) else who.user
        async with self.db.connect() as connection:
            return await rows.page(
                connection,
                workspace,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
                reader=reader,
            )

    async def update(
        self,
        who: Caller,
        key: IdempotencyKey,
        name: str,
        change: DestinationChange,
        *,
        etag: str,
        digest: str,
    ) -> Destination:
        """Changes a destination. A change to what it is already keeps its etag.

        Raises UpdateDigestMismatch for another digest than that of what it would be.
        """

        async def act(connection: AsyncConnection) -> str:
            if change.values is not None:
                await delivery_digests.lock(connection, key.workspace, name)
            found = await find_managed(connection, who, name, etag=etag)
            changed = self._changed(found, change)
            if digest:
                check_digest(digest, self.digest(changed), name=name)
            if changed != found:
                await rows.save(connection, changed, self.clock.now())
            if (changed.settings, changed.secrets) != (found.settings, found.secrets):
                await delivery_digests.delete(connection, found.workspace, found.resource)
            return name

        return await self.get(who, await self.changes.make(key, act))

    async def validate(
        self, who: Caller, name: str, change: DestinationChange, *, etag: str, digest: str
    ) -> Destination:
        """Returns what `update` would store, under the present version. Stores nothing."""
        async with self.db.connect() as connection:
            found = await find_managed(connection, who, name, etag=etag, lock=False)
        changed = self._changed(found, change)
        if digest:
            check_digest(digest, self.digest(changed), name=name)
        return changed

    async def delete(self, who: Caller, key: IdempotencyKey, name: str, *, etag: str) -> None:
        async def act(connection: AsyncConnection) -> str:
            await delivery_digests.lock(connection, key.workspace, name)
            found = await find_managed(connection, who, name, etag=etag)
            await rows.take_name(connection, found.workspace, found.resource_id)
            await rows.delete(connection, found.id)
            await delivery_digests.delete(connection, found.workspace, found.resource)
            return name

        await self.changes.make(key, act)

    async def enable(
        self, who: Caller, key: IdempotencyKey, name: str, *, etag: str, send_missed: bool
    ) -> Destination:
        """Has a paused destination take results, and on demand those that it missed."""

        async def act(connection: AsyncConnection) -> str:
            found = await find_managed(connection, who, name, etag=etag)
            now = self.clock.now()
            if found.state is DestinationState.PAUSED:
                found = await rows.save(connection, mark_enabled(found), now)
            if send_missed and found.state is DestinationState.ACTIVE:
                await deliveries.send_missed_again(
                    connection, found.workspace, found.resource, found.create_time, now
                )
            return name

        done = await self.get(who, await self.changes.make(key, act))
        if send_missed:
            self.on_due()
        return done

    def _build(
        self, who: Caller, workspace: str, draft: DestinationDraft, destination_id: str
    ) -> Destination:
        settings = read_split(draft.kind, draft.values, local=self.local)
        now = self.clock.now()
        made = resources.new_id()
        return self._with_settings(
            Destination(
                id=made,
                workspace=workspace,
                resource_id=destination_id or str(made),
                owner=who.user if draft.personal else None,
                creator=who.user,
                display_name=_name(draft.display_name, settings.host),
                kind=draft.kind,
                host=settings.host,
                settings=settings.shown,
                state=_unpaused_state(draft.kind, is_verified=False),
                create_time=now,
                update_time=now,
            ),
            settings,
        )

    def digest(self, found: Destination) -> str:
        """Returns the digest of what an update may change, secrets included."""
        return canonical_json.digest(
            {
                "display_name": found.display_name,
                "kind": found.kind.value,
                "settings": dict(found.settings),
                "secrets": self.secrets.digest(found),
            }
        )

    def _changed(self, found: Destination, change: DestinationChange) -> Destination:
        if change.personal is not None:
            require_same("destination.personal", change.personal, found.owner is not None)
        if change.display_name is not None:
            found = replace(found, display_name=_name(change.display_name, found.host))
        if change.kind is None:
            return found
        if change.kind is not found.kind:
            raise errors.invalid(
                f"destination.{change.kind.value}",
                f"can't be changed: its kind is {found.kind.value}",
                FieldReason.IMMUTABLE,
            )
        before = self.secrets.split(found)
        values = before.shown if change.values is None else change.values
        settings = read_change(before, {**values, **change.secrets}, local=self.local)
        if settings.values == before.values:
            return found
        paused = found.state is DestinationState.PAUSED
        state = found.state if paused else _unpaused_state(found.kind, is_verified=False)
        return self._with_settings(
            replace(
                clear_code(found),
                host=settings.host,
                settings=settings.shown,
                state=state,
                last_error="",
                consecutive_failures=0,
                verified_member=None,
                verify_time=None,
            ),
            settings,
        )

    def _with_settings(self, made: Destination, settings: SplitSettings) -> Destination:
        sealed = self.secrets.seal(settings.secrets, bound_to=made.bound_to)
        return replace(made, secrets=sealed, secret_hint=settings.hint)


async def _require_room(
    connection: AsyncConnection, who: Caller, made: Destination, *, lock: bool
) -> None:
    """Raises StateConflict for one too many of a person, and ResourceExists for an id that
    another destination has or had.
    """
    created = await rows.count_created(connection, made.workspace, who.user, lock=lock)
    if created >= MAX_DESTINATIONS_OF_PERSON:
        workspace = resources.WORKSPACE.format(workspace=made.workspace)
        raise errors.StateConflict(
            workspace, f"at its limit of {MAX_DESTINATIONS_OF_PERSON} destinations of one person"
        )
    if await rows.find(connection, made.workspace, made.resource_id):
        raise errors.ResourceExists(made.resource)
    if await rows.is_name_taken(connection, made.workspace, made.resource_id):
        raise errors.ResourceExists(made.resource, is_removed=True)


async def find_seen(
    connection: AsyncConnection, who: Caller, name: str, *, lock: bool = False
) -> Destination:
    """Returns a destination. To a caller who may not see it, it does not exist."""
    parts = resources.DESTINATION.parse(name)
    found = await rows.find(connection, parts["workspace"], parts["destination"], lock=lock)
    if found is None or not access.may_see(who, found):
        raise errors.ResourceNotFound(name)
    return found


async def find_managed(
    connection: AsyncConnection, who: Caller, name: str, *, etag: str = "", lock: bool = True
) -> Destination:
    """Returns a locked destination that the caller may change. Raises PermissionDenied."""
    found = await find_seen(connection, who, name, lock=lock)
    access.require_manager(who, found)
    check_etag(etag, etag_of(found), name=name)
    return found


def mark_enabled(found: Destination) -> Destination:
    """Returns a destination that takes results again, once it is verified if its kind asks so."""
    state = _unpaused_state(found.kind, is_verified=found.verify_time is not None)
    return replace(found, state=state, pause_reason="", last_error="", consecutive_failures=0)


def etag_of(found: Destination) -> str:
    return compute_etag(found.id, found.version)


def _unpaused_state(kind: DestinationKind, *, is_verified: bool) -> DestinationState:
    """The state of one that is not paused: only an address of e-mail has to be verified."""
    if kind is DestinationKind.EMAIL and not is_verified:
        return DestinationState.UNVERIFIED
    return DestinationState.ACTIVE


def _name(display_name: str, host: str) -> str:
    name = display_name.strip() or host[:MAX_NAME]
    if fault := name_fault(name):
        raise errors.invalid("destination.display_name", fault, FieldReason.INVISIBLE_CHARACTER)
    return name


_FILTER_FIELDS: Final = {
    "state": list_filter.state(DestinationState),
    "kind": list_filter.state(DestinationKind),
    "create_time": list_filter.TIME,
}
