"""What the client makes of values that only another version of automation_service has."""

from typing import Any, cast

from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import destination_pb2 as dp

from chat_service.adapters.automation_client import AUTOMATION_SERVICE, AutomationClient
from shared.registries.catalogue import current_catalogue
from shared.rpc.client import DelegatedCredentials
from tests.support.checks import CHECKS
from tests.support.tokens import Keys

ADA: dict[str, Any] = {"workspace": "w", "user": "ada"}


class Answers:
    """A stub that has one automation and two destinations, one with an unknown state and kind."""

    async def GetAutomation(self, *_: Any, **__: Any) -> pb.Automation:  # noqa: N802
        return pb.Automation(state=cast(pb.Automation.State, 99))

    async def ListDestinations(  # noqa: N802
        self, *_: Any, **__: Any
    ) -> dp.ListDestinationsResponse:
        unknown = dp.Destination(
            state=cast(dp.Destination.State, 99), kind=cast(dp.Destination.Kind, 98)
        )
        known = dp.Destination(state=dp.Destination.PAUSED, kind=dp.Destination.SLACK)
        return dp.ListDestinationsResponse(destinations=[unknown, known])


async def test_an_unknown_state_or_kind_is_read_as_its_number(keys: Keys) -> None:
    answers: Any = Answers()
    behalf = DelegatedCredentials(
        identity=keys.identity("chat_service"), audience=AUTOMATION_SERVICE
    )
    client = AutomationClient(
        stub=answers,
        destinations=answers,
        behalf=behalf,
        results=answers,
        catalogue=current_catalogue,
        checks=CHECKS,
    )
    assert (await client.get(**ADA, name="workspaces/w/automations/a")).state == "99"
    found = await client.list_destinations(**ADA)
    assert [(one.state, one.kind) for one in found] == [("99", "98"), ("paused", "slack")]
