"""Calls about the workspace's webhook and its deliveries."""

from collections.abc import Sequence

from rota_client.calls import Calls, new_id
from rota_client.gen.google.protobuf import FieldMask
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.names import complete_name
from rota_client.pager import Pager


class Webhooks:
    """The methods of RotaClient about the workspace's webhook, for owners."""

    workspace: str
    automations: automation_v1.AutomationServiceStub
    _calls: Calls

    @property
    def webhook_name(self) -> str:
        return f"{self.workspace}/webhook"

    async def get_webhook(self) -> automation_v1.Webhook:
        request = automation_v1.GetWebhookRequest(name=self.webhook_name)
        return await self._calls.unary(self.automations.get_webhook, request)

    async def set_webhook(
        self, uri: str, *, event_types: Sequence[str] = (), include_output: bool = False
    ) -> automation_v1.Webhook:
        """Sets the URL and enables the webhook. The first answer has the secret."""
        webhook = automation_v1.Webhook(
            name=self.webhook_name,
            uri=uri,
            event_types=list(event_types),
            disabled=False,
            include_output=include_output,
        )
        return await self._change_webhook(
            webhook, "uri", "event_types", "disabled", "include_output"
        )

    async def turn_webhook(self, *, on: bool) -> automation_v1.Webhook:
        """Enables or disables the webhook. A disabled webhook drops waiting deliveries."""
        webhook = automation_v1.Webhook(name=self.webhook_name, disabled=not on)
        return await self._change_webhook(webhook, "disabled")

    async def rotate_webhook_secret(
        self, *, revoke_previous: bool = False
    ) -> automation_v1.Webhook:
        """Creates a new secret, which the answer has; the old one also signs for one day."""
        request = automation_v1.RotateWebhookSecretRequest(
            name=self.webhook_name, revoke_previous=revoke_previous, request_id=new_id()
        )
        return await self._calls.unary(self.automations.rotate_webhook_secret, request)

    async def test_webhook(self) -> automation_v1.WebhookDelivery:
        request = automation_v1.TestWebhookRequest(name=self.webhook_name, request_id=new_id())
        return await self._calls.unary(self.automations.test_webhook, request)

    async def get_webhook_delivery(self, name: str) -> automation_v1.WebhookDelivery:
        name = complete_name(self.webhook_name, "deliveries", name)
        request = automation_v1.GetWebhookDeliveryRequest(name=name)
        return await self._calls.unary(self.automations.get_webhook_delivery, request)

    def list_webhook_deliveries(
        self, *, page_token: str = ""
    ) -> Pager[automation_v1.WebhookDelivery]:
        return self._calls.pager(
            self.automations.list_webhook_deliveries,
            automation_v1.ListWebhookDeliveriesRequest(parent=self.webhook_name),
            lambda page: page.webhook_deliveries,
            page_token,
        )

    async def _change_webhook(
        self, webhook: automation_v1.Webhook, *paths: str
    ) -> automation_v1.Webhook:
        request = automation_v1.UpdateWebhookRequest(
            webhook=webhook, update_mask=FieldMask(paths=list(paths)), request_id=new_id()
        )
        return await self._calls.unary(self.automations.update_webhook, request)
