"""Each row of docs/refusals.md over the wire, through each door."""

import base64
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import httpx2
import pytest
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.rpc import status_pb2
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import webhook_pb2 as wp

from shared.clock import rfc3339
from tests.automation_service.api.test_refusals import changed, rows, value_of
from tests.automation_service.webhooks.test_sender import refused_addresses
from tests.contract.rows import reason_of, violations_of
from tests.support.calls.refusals import refusal
from tests.support.system.automation import START, Running
from tests.support.system.live import Live, Tenant

Call = dict[str, Any]
Door = Callable[[httpx2.Client, Tenant, str, Call], status_pb2.Status | None]
REQUESTS: Final[Mapping[str, type[Message]]] = {
    "CreateAutomation": ap.CreateAutomationRequest,
    "UpdateWebhook": wp.UpdateWebhookRequest,
}
# What is not refused by where it leads is refused without the rule about places, too.
_PLACES: Final = "NOT_PUBLIC"
_MOMENT: Final = re.compile(r"2026-11-23T[0-9:]+Z")


def grpc_door(client: httpx2.Client, who: Tenant, rpc: str, said: Call) -> Any:
    """None for what a message can't say: another kind of value, or a field that there is not."""
    if (request := message(rpc, said)) is None:
        return None
    return who.refusal(f"AutomationService/{rpc}", request)


def grpc_web_door(client: httpx2.Client, who: Tenant, rpc: str, said: Call) -> Any:
    if (request := message(rpc, said)) is None:
        return None
    body = request.SerializeToString()
    answer = client.post(
        f"{who.live.url}/rota.automation.v1.AutomationService/{rpc}",
        content=struct.pack(">BI", 0, len(body)) + body,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    packed = answer.headers.get("grpc-status-details-bin")
    if packed is None:
        lines = answer.content[5:].decode().split("\r\n")
        trailers = dict(line.split(":", 1) for line in lines if line)
        packed = trailers["grpc-status-details-bin"].strip()
    return status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))


def json_door(client: httpx2.Client, who: Tenant, rpc: str, said: Call) -> Any:
    """Takes every row: what no message can say is refused by the door itself."""
    if rpc == "UpdateWebhook":
        body, path = said["webhook"], f"{who.name}/webhook?update_mask=uri&validate_only=true"
        answer = client.patch(f"{who.live.url}/v1/{path}", json=body)
    else:
        path = f"{who.name}/automations?validate_only=true"
        answer = client.post(f"{who.live.url}/v1/{path}", json=said["automation"])
    assert answer.status_code == 400, answer.text
    return ParseDict(answer.json(), status_pb2.Status())


DOORS: Final[list[Door]] = [grpc_door, grpc_web_door, json_door]


def message(rpc: str, said: Call) -> Message | None:
    try:
        return ParseDict(said, REQUESTS[rpc]())
    except ParseError:
        return None


def creating(who: Tenant, said: Call) -> Call:
    return {"parent": who.name, "automation": said, "validate_only": True}


def moved(text: str, by: timedelta) -> str:
    """The text of a row with its moments as far from the present as on the page."""

    def move(found: re.Match[str]) -> str:
        return rfc3339(datetime.fromisoformat(found[0]) + by)

    return _MOMENT.sub(move, text)


@pytest.fixture(scope="module")
def who(live: Live) -> Tenant:
    return live.tenant()


@pytest.mark.parametrize("door", DOORS)
def test_each_row_of_the_page_is_refused_as_it_says(who: Tenant, door: Door) -> None:
    by = who.live.clock.now() - START
    headers = {"authorization": f"Bearer {who.token()}"}
    wrong, sent = [], 0
    with httpx2.Client(headers=headers, timeout=60) as client:
        send = partial(door, client, who, "CreateAutomation")
        for path, value, field, reason in rows():
            status = send(creating(who, changed(path, value_of(moved(value, by)))))
            if status is None:
                continue
            sent += 1
            assert reason_of(status) == "INVALID_REQUEST"
            if (f"automation.{field}", reason) not in (found := violations_of(status)):
                wrong.append((path, value, reason, found))
    assert sent > 80 if door is not json_door else sent == len(rows())
    assert wrong == []


@pytest.mark.parametrize("door", DOORS)
def test_each_address_of_the_page_is_refused_as_it_says(who: Tenant, door: Door) -> None:
    """But for those of the rule that the stack, which has endpoints of its own, does not keep."""
    headers = {"authorization": f"Bearer {who.token()}"}
    with httpx2.Client(headers=headers, timeout=60) as client:
        for uri, reason in refused_addresses():
            if reason == _PLACES or uri.startswith("http://"):
                continue
            said = {"webhook": {"name": f"{who.name}/webhook", "uri": uri}, "validate_only": True}
            status = door(client, who, "UpdateWebhook", said)
            assert status is not None
            assert violations_of(status) == [("webhook.uri", reason)], uri


async def test_each_address_is_refused_by_a_service_that_keeps_every_rule(rota: Running) -> None:
    for uri, reason in refused_addresses():
        webhook = wp.Webhook(name="workspaces/w/webhook", uri=uri)
        request = wp.UpdateWebhookRequest(webhook=webhook, validate_only=True)
        refused = await refusal(rota.call("UpdateWebhook", request))
        assert [(v.field, v.reason) for v in refused.violations] == [("webhook.uri", reason)], uri
