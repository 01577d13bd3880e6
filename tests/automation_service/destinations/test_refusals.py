"""What docs/destinations.md says is refused, is refused at its field."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf import json_format
from rota.automation.v1 import destination_pb2 as dp

from tests.support.automation import Running, running
from tests.support.destinations import PARENT, call
from tests.support.refusals import refusal
from tests.support.tokens import Keys
from tests.support.webhooks import SETTINGS

PAGE = (Path(__file__).parents[3] / "docs" / "destinations.md").read_text()
REFUSED = re.findall(r"^\| `(\{.*?\})` \| `(destination\.\S+)` \| `(\w+)` \|$", PAGE, re.M)


@pytest.fixture
async def rota(keys: Keys, url: str) -> AsyncIterator[Running]:
    async with running(url, keys, **{**SETTINGS, "local_destinations": False}) as service:
        yield service


async def test_what_the_page_says_is_refused_is_refused_at_its_field(rota: Running) -> None:
    assert len(REFUSED) > 8
    for settings, field, reason in REFUSED:
        made = json_format.ParseDict(json.loads(settings), dp.Destination())
        request = dp.CreateDestinationRequest(parent=PARENT, destination=made)
        refused = await refusal(call(rota, "CreateDestination", request))
        found = [(one.field, one.reason) for one in refused.violations]
        assert found == [(field, reason)], settings
