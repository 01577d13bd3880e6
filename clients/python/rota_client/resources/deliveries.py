"""Calls about what runs sent."""

from rota_client.calls import Calls, new_id
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.names import complete_name, delivery_name, run_name
from rota_client.pager import Pager


class Deliveries:
    """The methods of RotaClient about deliveries."""

    workspace: str
    deliveries: automation_v1.DeliveryServiceStub
    _calls: Calls

    async def get_delivery(self, name: str) -> automation_v1.Delivery:
        """Gets a delivery with its body and its attempts; its id alone will do."""
        request = automation_v1.GetDeliveryRequest(name=delivery_name(self.workspace, name))
        return await self._calls.unary(self.deliveries.get_delivery, request)

    def list_deliveries(
        self, of: str = "-", *, filter_: str = "", page_token: str = ""
    ) -> Pager[automation_v1.Delivery]:
        """Lists the deliveries of a run (AUTOMATION/RUN), of an automation, or of all."""
        if "/runs/" in of or (of.count("/") == 1 and not of.startswith("automations/")):
            parent = run_name(self.workspace, of)
        else:
            parent = f"{complete_name(self.workspace, 'automations', of)}/runs/-"
        return self._calls.pager(
            self.deliveries.list_deliveries,
            automation_v1.ListDeliveriesRequest(parent=parent, filter=filter_),
            lambda page: page.deliveries,
            page_token,
        )

    async def retry_delivery(self, name: str) -> automation_v1.Delivery:
        """Sends a FAILED delivery again, under the same id."""
        request = automation_v1.RetryDeliveryRequest(
            name=delivery_name(self.workspace, name), request_id=new_id()
        )
        return await self._calls.unary(self.deliveries.retry_delivery, request)
