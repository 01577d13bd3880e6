"""Calls about destinations: where results go."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rota_client.calls import Calls, new_id
from rota_client.gen.google.protobuf import FieldMask
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.names import complete_name
from rota_client.pager import Pager

_COLLECTION: Final = "destinations"
_SECRET_BYTES: Final = 32


def new_signing_secret() -> str:
    """Returns a secret for WebhookSettings.signing_secret, as standardwebhooks.com has them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


class Destinations:
    """The methods of RotaClient about destinations."""

    workspace: str
    destinations: automation_v1.DestinationServiceStub
    _calls: Calls

    async def get_destination(self, destination: str) -> automation_v1.Destination:
        request = automation_v1.GetDestinationRequest(name=self._destination(destination))
        return await self._calls.unary(self.destinations.get_destination, request)

    def list_destinations(
        self, *, filter_: str = "", page_token: str = ""
    ) -> Pager[automation_v1.Destination]:
        """Lists shared destinations and the caller's own, newest first."""
        return self._calls.pager(
            self.destinations.list_destinations,
            automation_v1.ListDestinationsRequest(parent=self.workspace, filter=filter_),
            lambda page: page.destinations,
            page_token,
        )

    async def add_destination(
        self,
        destination: automation_v1.Destination,
        *,
        destination_id: str = "",
        request_id: str = "",
    ) -> automation_v1.Destination:
        """Adds a destination. The service encrypts its secrets and never returns them."""
        request = automation_v1.CreateDestinationRequest(
            parent=self.workspace,
            destination=destination,
            destination_id=destination_id,
            request_id=request_id or new_id(),
        )
        return await self._calls.unary(self.destinations.create_destination, request)

    async def update_destination(
        self, destination: automation_v1.Destination, paths: Sequence[str]
    ) -> automation_v1.Destination:
        """Changes the fields `paths` of a destination, named by its name or id."""
        request = automation_v1.UpdateDestinationRequest(
            destination=replace(destination, name=self._destination(destination.name)),
            update_mask=FieldMask(paths=list(paths)),
            request_id=new_id(),
        )
        return await self._calls.unary(self.destinations.update_destination, request)

    async def remove_destination(self, destination: str) -> None:
        """Deletes a destination with its secrets."""
        request = automation_v1.DeleteDestinationRequest(
            name=self._destination(destination), request_id=new_id()
        )
        await self._calls.unary(self.destinations.delete_destination, request)

    async def test_destination(
        self, destination: str, *, verify: bool = False
    ) -> automation_v1.TestDestinationResponse:
        """Sends a test through a destination, or with `verify` a code for the caller."""
        request = automation_v1.TestDestinationRequest(
            name=self._destination(destination), verify=verify, request_id=new_id()
        )
        return await self._calls.unary(self.destinations.test_destination, request)

    async def verify_destination(self, destination: str, code: str) -> automation_v1.Destination:
        """Gives the code that was sent through a destination for the caller."""
        request = automation_v1.VerifyDestinationRequest(
            name=self._destination(destination), code=code, request_id=new_id()
        )
        return await self._calls.unary(self.destinations.verify_destination, request)

    async def enable_destination(
        self, destination: str, *, send_missed: bool = False
    ) -> automation_v1.Destination:
        """Lets a paused destination take results again, with `send_missed` what it missed too."""
        request = automation_v1.EnableDestinationRequest(
            name=self._destination(destination), send_missed=send_missed, request_id=new_id()
        )
        return await self._calls.unary(self.destinations.enable_destination, request)

    def _destination(self, given: str) -> str:
        return complete_name(self.workspace, _COLLECTION, given)
