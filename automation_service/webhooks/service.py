"""The methods of webhooks and their deliveries: get, update, rotate, test, list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import webhooks
from automation_service.persistence.enums import WebhookDeliveryStatus
from automation_service.persistence.outbox import webhook_deliveries
from automation_service.persistence.outbox.webhook_deliveries import WebhookDelivery
from automation_service.persistence.webhooks import Webhook
from automation_service.webhooks import events
from automation_service.webhooks.delivery import TURNED_OFF, count_deliveries
from automation_service.webhooks.secrets import WebhookSecrets
from automation_service.webhooks.sender import WebhookSender
from shared import errors, list_filter, resources
from shared.aip import (
    Page,
    check_digest,
    check_etag,
    compute_etag,
)
from shared.clock import Clock
from shared.json import canonical_json
from shared.rpc.idempotency import IdempotencyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView:
    """A webhook for the response. `secret` is set only by the call that created it.

    `failed_deliveries` counts pending messages that the call gave up.
    """

    webhook: Webhook
    secret: str = ""
    failed_deliveries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    db: AsyncEngine
    clock: Clock
    changes: IdempotentChanges
    secrets: WebhookSecrets
    sender: WebhookSender

    async def get(self, workspace: str) -> Webhook:
        async with self.db.connect() as connection:
            return await webhooks.get(connection, workspace)

    async def update(
        self, key: IdempotencyKey, said: dict[str, Any], *, etag: str, digest: str = ""
    ) -> WebhookView:
        """Changes the webhook. A change to what it is already keeps its etag.

        Raises UpdateDigestMismatch for another digest than that of what it would be.
        """
        made: list[WebhookView] = []

        async def act(connection: AsyncConnection) -> str:
            made.append(await self._update(connection, key.workspace, said, etag, digest))
            return resources.WEBHOOK.format(workspace=key.workspace)

        view = await self._once(key, act, made)
        count_deliveries("given_up", view.failed_deliveries)
        return view

    async def validate(
        self, workspace: str, said: dict[str, Any], *, etag: str, digest: str = ""
    ) -> Webhook:
        """Returns what `update` would save, under the present version. Saves nothing."""
        async with self.db.connect() as connection:
            found = await webhooks.get(connection, workspace)
        _require_etag(found, etag)
        changed = replace(found, **self._checked(found, said))
        check_digest(digest, payload_digest(changed), name=found.resource)
        return changed

    async def rotate(self, key: IdempotencyKey, *, etag: str, revoke_previous: bool) -> WebhookView:
        made: list[WebhookView] = []

        async def act(connection: AsyncConnection) -> str:
            now, workspace = self.clock.now(), key.workspace
            found = await webhooks.get(connection, workspace, lock=True)
            _require_etag(found, etag)
            if not found.version:
                raise errors.StateConflict(found.resource, "UNSET")
            secret, values = self.secrets.create(workspace, now)
            values |= self.secrets.keep_previous(found, now, revoked=revoke_previous)
            changed = await webhooks.save(connection, found, values, now)
            made.append(WebhookView(webhook=changed, secret=secret))
            return found.resource

        return await self._once(key, act, made)

    async def test(self, key: IdempotencyKey) -> WebhookDelivery:
        async def act(connection: AsyncConnection) -> str:
            found = await webhooks.get(connection, key.workspace)
            if not found.is_active:
                raise errors.StateConflict(found.resource, "OFF")
            sent = await events.record_test(connection, key.workspace, self.clock.now())
            return resources.WEBHOOK_DELIVERY.format(workspace=key.workspace, delivery=sent)

        return await self.delivery(await self.changes.make(key, act))

    async def delivery(self, name: str) -> WebhookDelivery:
        parts = resources.WEBHOOK_DELIVERY.parse(name)
        delivery = resources.parse_uuid(parts["delivery"], name)
        async with self.db.connect() as connection:
            found = await webhook_deliveries.find(connection, parts["workspace"], delivery)
        if found is None:
            raise errors.ResourceNotFound(name)
        return found

    async def list_deliveries(
        self, workspace: str, page: Page, filter_: str
    ) -> Sequence[WebhookDelivery]:
        """Returns a page and one more if there is one."""
        wanted = list_filter.parse(filter_, _FILTER_FIELDS)
        async with self.db.connect() as connection:
            return await webhook_deliveries.page(
                connection,
                workspace,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
            )

    async def _once(self, key: IdempotencyKey, act: Any, made: list[WebhookView]) -> WebhookView:
        await self.changes.make(key, act)
        return made[0] if made else WebhookView(webhook=await self.get(key.workspace))

    async def _update(
        self,
        connection: AsyncConnection,
        workspace: str,
        said: dict[str, Any],
        etag: str,
        digest: str,
    ) -> WebhookView:
        now, secret, failed = self.clock.now(), "", 0
        found = await webhooks.get(connection, workspace, lock=True)
        _require_etag(found, etag)
        values = self._checked(found, said)
        changed = replace(found, **values)
        check_digest(digest, payload_digest(changed), name=found.resource)
        if found.version and changed == found:
            return WebhookView(webhook=found)
        if not found.version:
            secret, kept = self.secrets.create(workspace, now)
            values |= kept
        changed = await webhooks.save(connection, found, values, now)
        if not changed.is_active:
            failed = await webhook_deliveries.fail_pending(connection, workspace, TURNED_OFF, now)
        return WebhookView(webhook=changed, secret=secret, failed_deliveries=failed)

    def _checked(self, found: Webhook, said: dict[str, Any]) -> dict[str, Any]:
        values = dict(said)
        if "event_types" in values:
            values["event_types"] = tuple(values["event_types"])
        if values.get("uri"):
            values["uri"] = self.sender.check_uri(values["uri"])
        # A new uri or `disabled` clears the reason.
        if "disabled" in values or values.get("uri", found.uri) != found.uri:
            values |= {"disabled": values.get("disabled", found.disabled), "disabled_reason": ""}
        return values


def etag_of(found: Webhook) -> str:
    return compute_etag(found.resource, found.version)


def payload_digest(found: Webhook) -> str:
    """Returns the digest of what an update may change."""
    return canonical_json.digest(
        {
            "uri": found.uri,
            "event_types": found.event_types,
            "disabled": found.disabled,
            "include_output": found.include_output,
        }
    )


def _require_etag(found: Webhook, given: str) -> None:
    check_etag(given, etag_of(found), name=found.resource)


_FILTER_FIELDS: Final = {
    "state": list_filter.state(WebhookDeliveryStatus),
    "create_time": list_filter.TIME,
}
