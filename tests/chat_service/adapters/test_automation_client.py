"""What the client makes of values that only another version of automation_service has."""

from typing import Any, cast

from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import destination_pb2 as dp

from chat_service.adapters.automation_client import AUTOMATION_SERVICE, AutomationClient
from shared import errors
from shared.registries.catalogue import current_catalogue
from shared.rpc.client import DelegatedCredentials
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.checks import CHECKS

ADA: dict[str, Any] = {"workspace": "w", "user": "ada"}


class Answers:
    """A stub that has one automation and two destinations, one with an unknown state and kind.

    Each page of destinations has one of them, and two are there by name.
    """

    async def GetAutomation(self, *_: Any, **__: Any) -> pb.Automation:  # noqa: N802
        return pb.Automation(state=cast(pb.Automation.State, 99))

    async def GetDestination(  # noqa: N802
        self, request: dp.GetDestinationRequest, **_: Any
    ) -> dp.Destination:
        owners = {"workspaces/w/destinations/hers": "users/bob", "workspaces/w/destinations/a": ""}
        if request.name not in owners:
            raise errors.ResourceNotFound(request.name)
        return dp.Destination(name=request.name, owner=owners[request.name])

    async def ListDestinations(  # noqa: N802
        self, request: dp.ListDestinationsRequest, **_: Any
    ) -> dp.ListDestinationsResponse:
        unknown = dp.Destination(
            state=cast(dp.Destination.State, 99), kind=cast(dp.Destination.Kind, 98)
        )
        known = dp.Destination(state=dp.Destination.PAUSED, kind=dp.Destination.SLACK)
        hers = dp.Destination(owner="users/bob")
        if request.page_token:
            return dp.ListDestinationsResponse(destinations=[hers, known])
        return dp.ListDestinationsResponse(destinations=[unknown], next_page_token="more")


def client_of(keys: Keys) -> AutomationClient:
    answers: Any = Answers()
    behalf = DelegatedCredentials(
        identity=keys.identity("chat_service"), audience=AUTOMATION_SERVICE
    )
    return AutomationClient(
        stub=answers,
        destinations=answers,
        behalf=behalf,
        results=answers,
        catalogue=current_catalogue,
        checks=CHECKS,
    )


async def test_an_unknown_state_or_kind_is_read_as_its_number(keys: Keys) -> None:
    client = client_of(keys)
    assert (await client.get(**ADA, name="workspaces/w/automations/a")).state == "99"
    found = await client.list_destinations(**ADA)
    assert [(one.state, one.kind) for one in found] == [("99", "98"), ("paused", "slack")]


async def test_destinations_are_found_by_name_whoever_has_them(keys: Keys) -> None:
    names = [f"workspaces/w/destinations/{one}" for one in ("a", "gone", "hers")]
    found = await client_of(keys).find_destinations(**ADA, names=names)
    assert [(one.name, one.is_own, one.is_others) for one in found] == [
        (names[0], False, False),
        (names[2], False, True),
    ]
