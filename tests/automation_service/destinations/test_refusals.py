"""What docs/destinations.md says is refused, is refused at its field."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from rota.automation.v1 import destination_pb2 as dp

from tests.support.calls.destinations import call
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import SETTINGS
from tests.support.system.automation import Running

PAGE = (Path(__file__).parents[3] / "docs" / "destinations.md").read_text()
REFUSED = re.findall(r"^\| `(\{.*?\})` \| `(destination\.\S+)` \| `(\w+)` \|$", PAGE, re.M)


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    return {**SETTINGS, "local_destinations": False}


async def test_what_the_page_says_is_refused_is_refused_at_its_field(tenant: Running) -> None:
    assert len(REFUSED) > 8
    for settings, field, reason in REFUSED:
        made = json_format.ParseDict(json.loads(settings), dp.Destination())
        request = dp.CreateDestinationRequest(parent=tenant.parent, destination=made)
        refused = await refusal(call(tenant, "CreateDestination", request))
        found = [(one.field, one.reason) for one in refused.violations]
        assert found == [(field, reason)], settings
