"""The webhook of a workspace: who may set it, and what it is told of."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import webhook_pb2 as wp
from rota.notice.v1 import notice_pb2, notice_pb2_grpc

from shared import errors, resources
from shared.clock import ManualClock
from shared.errors import Code
from tests.automation_service.runs.test_executor import FIRST, failing, plan, step
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import (
    KEY,
    NAME,
    SETTINGS,
    State,
    count,
    ended,
    get,
    listed,
    name_of,
    received,
    rotate,
    try_it,
    update,
)
from tests.support.credentials.tokens import Keys
from tests.support.servers.receiver import Receiver
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import Running, execute, new_request_id, running, until

MINUTE = timedelta(minutes=1)
GONE = errors.CapabilityGone("the tool is gone")


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    return SETTINGS


@pytest.fixture
async def rota(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> AsyncIterator[Running]:
    async with running(url, keys, clock=clock, agent=agent, **SETTINGS) as service:
        yield service


async def test_a_workspace_has_one_webhook_that_is_off_until_it_is_set(tenant: Running) -> None:
    found = await get(tenant)
    assert (found.name, found.uri, found.secret) == (name_of(tenant), "", "")
    assert not found.HasField("create_time")
    refused = await refusal(try_it(tenant))
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "STATE_CONFLICT")
    refused = await refusal(rotate(tenant))
    assert refused.reason == "STATE_CONFLICT"


async def test_the_secret_is_shown_once_and_kept_encrypted(
    tenant: Running, endpoint: Receiver
) -> None:
    again = new_request_id()
    made = await update(tenant, uri=endpoint.url, request_id=again)
    assert made.secret.startswith("whsec_")
    assert len(made.secret) > 40
    repeated = await update(tenant, uri=endpoint.url, request_id=again)
    assert (repeated.secret, repeated.etag) == ("", made.etag)
    assert (await get(tenant)).secret == ""
    assert (await update(tenant, disabled=False)).secret == ""
    mine = "where workspace_id = $1"
    [row] = await execute(tenant.url, f"select * from webhooks {mine}", tenant.workspace)
    assert made.secret.encode() not in row["secret"]
    find = f"select action, resource from audit_events {mine}"
    audits = await execute(tenant.url, find, tenant.workspace)
    assert ("UpdateWebhook", name_of(tenant)) in [(a["action"], a["resource"]) for a in audits]
    assert all(made.secret not in str(a) for a in audits)


async def test_a_failed_run_is_told_once_signed_and_without_what_it_said(
    rota: Running, clock: ManualClock, agent: FakeAgent, endpoint: Receiver
) -> None:
    secret = (await update(rota, uri=endpoint.url)).secret
    agent.act = failing(errors.CapabilityGone("the tool is gone", metadata={"capability": "x"}))
    name = (await rota.create(plan(step("news", "a private prompt")))).name
    clock.set(FIRST)
    [run] = await rota.ended(name)
    await until(lambda: received(endpoint, 1))
    [one] = endpoint.received
    assert one.path == "/hook?team=7"
    assert one.is_signed_by(secret)
    assert one.headers["webhook-timestamp"] == str(int(clock.now().timestamp()))
    assert one.headers["content-type"] == "application/json"
    assert one.json == {
        "type": "run.failed",
        "timestamp": "2026-11-23T08:00:00Z",
        "data": {
            "workspace": "workspaces/w",
            "automation": name,
            "run": run.name,
            "state": "FAILED",
            "reason": "CAPABILITY_GONE",
            "slot_time": "2026-11-23T08:00:00Z",
            "backfill": False,
        },
    }
    [kept] = (await listed(rota)).webhook_deliveries
    assert (kept.subject, kept.body) == (run.name, "")
    found = await ended(rota, kept.name)
    assert (found.state, found.attempts, found.status_code) == (State.DELIVERED, 1, 204)
    assert found.body.encode() == one.body
    assert found.name == f"{NAME}/deliveries/{one.id}"


@pytest.mark.parametrize("asked", [False, True])
async def test_a_run_that_succeeded_is_told_with_its_output_where_that_is_asked_for(
    rota: Running, clock: ManualClock, endpoint: Receiver, asked: bool
) -> None:
    await update(rota, uri=endpoint.url, include_output=asked)
    name = (await rota.create(plan(step("news", "say it")))).name
    clock.set(FIRST)
    [run] = await rota.ended(name)
    await until(lambda: received(endpoint, 1))
    [one] = endpoint.received
    data = {
        "workspace": "workspaces/w",
        "automation": name,
        "run": run.name,
        "state": "SUCCEEDED",
        "slot_time": "2026-11-23T08:00:00Z",
        "backfill": False,
    }
    output = {"output": "did: say it"} if asked else {}
    assert one.json["type"] == "run.succeeded"
    assert one.json["data"] == {**data, **output}


async def test_a_run_that_timed_out_is_told_and_those_that_went_well_are_not(
    rota: Running, clock: ManualClock, agent: FakeAgent, endpoint: Receiver
) -> None:
    """Where only failed runs are asked for."""
    await update(rota, uri=endpoint.url, event_types=["run.failed"])
    good = (await rota.create(plan(step("a")))).name

    async def act(request: Any) -> Any:
        if request.prompt == "slow":
            await asyncio.sleep(60)
        return answer()

    agent.act = act
    slow = (await rota.create(plan(step("a", "slow"), timeout_seconds=1))).name
    clock.set(FIRST)
    await rota.ended(good)
    await rota.ended(slow)
    await until(lambda: received(endpoint, 1))
    assert [one.json["data"]["state"] for one in endpoint.received] == ["TIMED_OUT"]
    assert [one.json["data"]["automation"] for one in endpoint.received] == [slow]


async def test_an_automation_that_pauses_itself_is_told_with_the_run_that_did_it(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent, endpoint: Receiver
) -> None:
    agent.act = failing(GONE)
    settings = {**SETTINGS, "max_consecutive_failures": 2}
    async with running(url, keys, clock=clock, agent=agent, **settings) as rota:
        await update(rota, uri=endpoint.url, event_types=["automation.paused"])
        name = (await rota.create(plan(step("a")))).name
        for minute in range(3):
            clock.set(FIRST + minute * MINUTE)
            await rota.ended(name, min(minute, 1) + 1)
        await until(lambda: received(endpoint, 1))
        runs = await rota.runs(name)
        assert [one.json["type"] for one in endpoint.received] == ["automation.paused"]
        assert endpoint.received[0].json["data"] == {
            "workspace": "workspaces/w",
            "automation": name,
            "run": runs[0].name,
            "consecutive_failures": 2,
        }
        assert (await rota.get(name)).state == pb.Automation.PAUSED
        assert await count(url) == 1


async def test_what_no_webhook_wants_is_not_written(
    rota: Running, url: str, clock: ManualClock, agent: FakeAgent, endpoint: Receiver
) -> None:
    agent.act = failing(GONE)
    name = (await rota.create(plan(step("a")))).name
    clock.set(FIRST)
    await rota.ended(name)
    await update(rota, uri=endpoint.url, event_types=["approval.requested"])
    clock.set(FIRST + MINUTE)
    await rota.ended(name, 2)
    await update(rota, "event_types", "disabled", disabled=True)
    clock.set(FIRST + 2 * MINUTE)
    await rota.ended(name, 3)
    assert await count(url) == 0
    await update(rota, disabled=False)
    clock.set(FIRST + 3 * MINUTE)
    await rota.ended(name, 4)
    assert await count(url) == 1


async def test_what_is_invalid_is_refused_and_a_check_saves_nothing(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, roles="api", secret_keys=KEY) as rota:
        for uri in ("http://example.org/", "https://10.0.0.1/", "https://a:b@example.org/"):
            refused = await refusal(update(rota, uri=uri))
            assert refused.code is Code.INVALID_ARGUMENT
            assert [v.field for v in refused.violations] == ["webhook.uri"]
        refused = await refusal(update(rota, event_types=["run.started"]))
        assert [v.field for v in refused.violations] == ["webhook.event_types[0]"]
        refused = await refusal(update(rota, "secret", uri="https://example.org/"))
        assert [v.field for v in refused.violations] == ["update_mask"]
        tried_out = await update(rota, uri="https://example.org/", validate_only=True)
        assert (tried_out.uri, tried_out.secret) == ("https://example.org/", "")
        assert (await get(rota)).uri == ""
        saved = await update(rota, uri="https://example.org/")
        refused = await refusal(update(rota, disabled=True, etag="stale"))
        assert refused.reason == "ETAG_MISMATCH"
        assert (await update(rota, disabled=True, etag=saved.etag)).disabled


async def test_only_an_owner_may_see_or_change_it(tenant: Running) -> None:
    name, editor = name_of(tenant), tenant.headers("eve", "editor")
    for rpc, request in (
        ("GetWebhook", wp.GetWebhookRequest(name=name)),
        ("UpdateWebhook", wp.UpdateWebhookRequest(webhook=wp.Webhook(name=name))),
        ("ListWebhookDeliveries", wp.ListWebhookDeliveriesRequest(parent=name)),
    ):
        assert (await refusal(tenant.call(rpc, request, headers=editor))).reason == (
            "PERMISSION_DENIED"
        )


async def test_without_a_key_no_webhook_is_taken(url: str, keys: Keys, clock: ManualClock) -> None:
    async with running(url, keys, clock=clock, roles="api") as rota:
        refused = await refusal(update(rota, uri="https://example.org/"))
        assert refused.reason == "ENCRYPTION_UNAVAILABLE"
        assert refused.metadata == {"setting": "ROTA_SECRET_KEYS"}


async def test_the_list_pages_newest_first_and_filters(
    rota: Running, clock: ManualClock, endpoint: Receiver
) -> None:
    await update(rota, uri=endpoint.url)
    names = []
    for _ in range(5):
        clock.advance(timedelta(seconds=1))
        names.append((await try_it(rota)).name)
    first = await listed(rota, page_size=3)
    rest = await listed(rota, page_size=3, page_token=first.next_page_token)
    found = [d.name for d in [*first.webhook_deliveries, *rest.webhook_deliveries]]
    assert found == names[::-1]
    assert rest.next_page_token == ""
    for name in names:
        await ended(rota, name)
    assert len((await listed(rota, "state = DELIVERED")).webhook_deliveries) == 5
    assert len((await listed(rota, "state != DELIVERED")).webhook_deliveries) == 0
    assert (await refusal(listed(rota, "state = LOST"))).code is Code.INVALID_ARGUMENT


def asking(workspace: str = "w", of: str = "w") -> notice_pb2.NotifyRequest:
    thread = f"workspaces/{of}/threads/t"
    return notice_pb2.NotifyRequest(
        workspace=f"workspaces/{workspace}",
        approval_requested=notice_pb2.ApprovalRequested(
            approval=f"workspaces/{of}/approvals/{resources.new_id()}",
            turn=f"{thread}/turns/u",
            action_type="automation_create",
            create_time=Timestamp(seconds=1_800_000_000),
            expire_time=Timestamp(seconds=1_800_600_000),
        ),
    )


async def test_the_other_service_tells_of_an_approval_and_may_say_it_again(
    rota: Running, url: str, endpoint: Receiver
) -> None:
    await update(rota, uri=endpoint.url)
    headers = rota.keys.service_headers(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    request = asking()
    for _ in range(2):
        await notify(rota, request, headers)
    await until(lambda: received(endpoint, 1))
    assert await count(url) == 1
    [one] = endpoint.received
    said = request.approval_requested
    assert one.id == said.approval.rpartition("/")[2]
    assert one.json == {
        "type": "approval.requested",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {
            "workspace": "workspaces/w",
            "approval": said.approval,
            "turn": said.turn,
            "action_type": "automation_create",
            "expire_time": "2027-01-22T06:40:00Z",
        },
    }


async def test_only_a_service_may_tell_and_only_of_its_workspace(rota: Running, url: str) -> None:
    person = await refusal(notify(rota, asking(), rota.keys.user_headers()))
    assert person.reason == "UNAUTHENTICATED"
    headers = rota.keys.service_headers(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    for request in (asking("v", "v"), asking("w", "v"), asking("v", "w")):
        assert (await refusal(notify(rota, request, headers))).reason == "RESOURCE_NOT_FOUND"
    assert await count(url) == 0


def notify(rota: Running, request: Any, headers: list[tuple[str, str]]) -> Any:
    stub = notice_pb2_grpc.NoticeServiceStub(rota.channel)
    return stub.Notify(request, metadata=headers, timeout=60)


async def test_a_dry_run_of_an_update_guards_what_it_showed(
    tenant: Running, endpoint: Receiver
) -> None:
    made = await update(tenant, uri=endpoint.url)
    other = f"{endpoint.url}other"

    async def change(uri: str, etag: str = "", **more: Any) -> Any:
        webhook = wp.Webhook(name=name_of(tenant), uri=uri, etag=etag)
        return await tenant.call("UpdateWebhook", wp.UpdateWebhookRequest(webhook=webhook, **more))

    shown = await change(other, validate_only=True)
    assert (shown.uri, shown.etag) == (other, made.etag)
    refused = await refusal(change(f"{other}x", payload_digest=shown.payload_digest))
    assert (refused.reason, refused.metadata) == ("DIGEST_MISMATCH", {"resource": name_of(tenant)})
    same = await change(endpoint.url)
    assert (same.etag, same.update_time) == (made.etag, made.update_time)
    saved = await change(other, etag=shown.etag, payload_digest=shown.payload_digest)
    assert (saved.uri, saved.payload_digest) == (other, "")
    assert (await refusal(change(other, etag=shown.etag))).reason == "ETAG_MISMATCH"
