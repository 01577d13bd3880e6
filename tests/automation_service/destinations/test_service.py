"""Destinations over the wire: who sees and changes them, and what is never shown."""

import json
from typing import Any

import pytest
from rota.automation.v1 import destination_pb2 as dp

from automation_service.destinations.service import MAX_DESTINATIONS_OF_PERSON
from shared.clock import ManualClock
from shared.errors import Code
from shared.security.secretbox import SecretBox, new_key
from tests.support.calls import destinations
from tests.support.calls.destinations import (
    TOPIC,
    Kind,
    State,
    create,
    delete,
    get,
    listed,
    ntfy,
    update,
)
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import KEY, SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import Running, execute, new_request_id, running, until

SECRET = "whsec_" + "a" * 32


@pytest.fixture(scope="module")
def api_settings() -> dict[str, Any]:
    return {**SETTINGS, "local_destinations": False}


async def rows(tenant: Running, table: str) -> list[Any]:
    return await execute(
        tenant.url, f"select * from {table} where workspace_id = $1", tenant.workspace
    )


async def test_a_secret_is_sealed_and_never_shown(tenant: Running) -> None:
    made = await create(tenant, destination_id="alerts", display_name="Alerts")
    assert made.name == f"{tenant.parent}/destinations/alerts"
    assert (made.kind, made.host, made.state) == (Kind.NTFY, "ntfy.sh", State.ACTIVE)
    assert (made.ntfy.server, made.ntfy.topic, made.secret_hint) == ("https://ntfy.sh", "", "1234")
    [row] = await rows(tenant, "destinations")
    assert TOPIC not in str({**row, "secrets": ""})
    assert TOPIC.encode() not in row["secrets"]
    audits = await rows(tenant, "audit_events")
    assert audits
    assert TOPIC not in str(audits)


async def test_a_personal_destination_is_its_owners_and_nobody_elses(tenant: Running) -> None:
    email = dp.EmailSettings(address="bob@example.org")
    his = await create(tenant, user="bob", email=email, personal=True)
    assert (his.owner, his.creator, his.state) == ("users/bob", "users/bob", State.UNVERIFIED)
    assert (his.display_name, his.email.address) == ("bob@example.org", "bob@example.org")
    for attempt in (
        get(tenant, his.name, user="eve"),
        update(tenant, his.name, user="eve", display_name="Mine"),
        delete(tenant, his.name, user="eve"),
    ):
        assert (await refusal(attempt)).code is Code.NOT_FOUND
    assert await listed(tenant, user="eve") == []
    assert [one.name for one in await listed(tenant, user="bob")] == [his.name]
    # An owner of the workspace sees and manages all.
    assert [one.name for one in await listed(tenant)] == [his.name]
    await delete(tenant, his.name)
    assert await listed(tenant, user="bob") == []


async def test_a_shared_destination_is_seen_by_all_and_managed_by_its_creator(
    tenant: Running,
) -> None:
    shared = await create(tenant, user="bob", webhook=webhook("https://a.example/?key=private"))
    seen = await get(tenant, shared.name, user="eve", role="viewer")
    assert (seen.host, seen.kind) == ("a.example", Kind.WEBHOOK)
    assert (seen.WhichOneof("settings"), seen.secret_hint) == (None, "")
    for user, role in (("eve", "editor"), ("bob", "viewer")):
        refused = await refusal(
            update(tenant, shared.name, user=user, role=role, display_name="Mine")
        )
        assert refused.code is Code.PERMISSION_DENIED
    changed = await update(tenant, shared.name, user="bob", display_name="Ours")
    assert (changed.display_name, changed.webhook.uri) == ("Ours", "https://a.example/?key=private")


def webhook(uri: str) -> dp.WebhookSettings:
    return dp.WebhookSettings(uri=uri, signing_secret=SECRET)


async def test_what_a_caller_writes_back_changes_nothing(tenant: Running) -> None:
    made = await create(tenant, ntfy=ntfy(access_token="tk_0123456789abcdef"))
    request = dp.UpdateDestinationRequest(destination=made)
    assert await destinations.call(tenant, "UpdateDestination", request) == made
    request.update_mask.paths.append("*")
    assert await destinations.call(tenant, "UpdateDestination", request) == made


async def test_a_secret_stays_unless_it_would_go_to_another_server(tenant: Running) -> None:
    made = await create(tenant, matrix=matrix("https://one.example", access_token="s" * 20))
    room = await update(
        tenant, made.name, matrix=matrix("https://one.example", room="!b:one.example")
    )
    assert (room.matrix.room_id, room.secret_hint) == ("!b:one.example", "ssss")
    assert room.etag != made.etag
    refused = await refusal(update(tenant, made.name, matrix=matrix("https://two.example")))
    [(field, reason)] = [(one.field, one.reason) for one in refused.violations]
    assert (field, reason) == ("destination.matrix.access_token", "REQUIRED")
    there = await update(
        tenant, made.name, matrix=matrix("https://two.example", access_token="t" * 20)
    )
    assert (there.host, there.secret_hint) == ("two.example", "tttt")


async def test_a_token_that_a_topic_can_do_without_is_taken_away(tenant: Running) -> None:
    async def change(*paths: str, **fields: str) -> dp.Destination:
        request = dp.UpdateDestinationRequest()
        request.destination.name = made.name
        request.destination.ntfy.MergeFrom(dp.NtfySettings(**fields))
        request.update_mask.paths.extend(paths)
        changed: dp.Destination = await destinations.call(tenant, "UpdateDestination", request)
        return changed

    async def find_secrets() -> list[str]:
        [row] = await rows(tenant, "destinations")
        box = SecretBox.parse(KEY)
        assert box is not None
        place = f"automation.destinations/{tenant.workspace}/{row['id']}"
        return sorted(json.loads(box.open(row["secrets"], bound_to=place)))

    made = await create(tenant, ntfy=ntfy(access_token="tk_0123456789abcdef"))
    assert await change("ntfy", server="https://ntfy.sh") == made
    assert await find_secrets() == ["access_token", "topic"]
    without = await change("ntfy.access_token")
    assert (without.ntfy.server, without.secret_hint) == ("https://ntfy.sh", made.secret_hint)
    assert await find_secrets() == ["topic"]
    await change("ntfy.access_token", access_token="tk_fedcba9876543210")
    assert await find_secrets() == ["access_token", "topic"]
    there = await change("ntfy", "ntfy.access_token", server="https://two.example", topic="other")
    assert there.host == "two.example"
    assert await find_secrets() == ["topic"]


async def test_a_digest_tells_secrets_apart_that_end_alike(tenant: Running) -> None:
    made = await create(tenant)

    async def change(topic: str, **more: Any) -> dp.Destination:
        request = dp.UpdateDestinationRequest(**more)
        request.destination.name = made.name
        request.destination.ntfy.topic = topic
        changed: dp.Destination = await destinations.call(tenant, "UpdateDestination", request)
        return changed

    shown, again, other = [
        (await change(topic, validate_only=True)).payload_digest
        for topic in ("a-topic-of-mine-1234", "a-topic-of-mine-1234", "one-of-others-1234")
    ]
    assert shown == again
    assert shown != other
    refused = await refusal(change("one-of-others-1234", payload_digest=shown))
    assert refused.code is Code.ABORTED
    assert (await change("a-topic-of-mine-1234", payload_digest=shown)).etag != made.etag


def matrix(homeserver: str, *, room: str = "!a:one.example", **fields: str) -> dp.MatrixSettings:
    return dp.MatrixSettings(homeserver=homeserver, room_id=room, **fields)


async def test_settings_that_can_not_work_are_refused_by_field(tenant: Running) -> None:
    slack = dp.SlackSettings(webhook_url="https://evil.example/services/T/B/x")
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"slack": slack}, "destination.slack.webhook_url", "INVALID"),
        ({"email": dp.EmailSettings(address="ada")}, "destination.email.address", "INVALID"),
        ({"webhook": webhook("https://10.0.0.1/")}, "destination.webhook.uri", "NOT_PUBLIC"),
        (
            {"webhook": dp.WebhookSettings(uri="https://a.example/")},
            "destination.webhook.signing_secret",
            "REQUIRED",
        ),
        ({"display_name": "a\u202eb"}, "destination.display_name", "INVISIBLE_CHARACTER"),
    ]
    for fields, field, reason in cases:
        refused = await refusal(create(tenant, **fields))
        assert [(one.field, one.reason) for one in refused.violations] == [(field, reason)]
        assert "evil" not in str(refused.violations)


async def test_the_name_of_a_removed_destination_is_nobody_elses_ever(tenant: Running) -> None:
    made = await create(tenant, destination_id="hook", webhook=webhook("https://a.example/"))
    await delete(tenant, made.name)
    for user in ("ada", "eve"):
        refused = await refusal(create(tenant, destination_id="hook", user=user))
        assert (refused.code, refused.reason) == (Code.ALREADY_EXISTS, "RESOURCE_EXISTS")
        assert "was removed, and its name is never used again" in refused.message
    dry = dp.CreateDestinationRequest(
        parent=tenant.parent,
        destination=dp.Destination(ntfy=ntfy()),
        destination_id="hook",
        validate_only=True,
    )
    tried = await refusal(destinations.call(tenant, "CreateDestination", dry))
    assert tried.reason == "RESOURCE_EXISTS"
    # One that an earlier version made and did not note is noted when it goes.
    other = await create(tenant, destination_id="other")
    forget = "delete from destination_names where workspace_id = $1 and resource_id = 'other'"
    await execute(tenant.url, forget, tenant.workspace)
    await delete(tenant, other.name)
    assert (await refusal(create(tenant, destination_id="other"))).reason == "RESOURCE_EXISTS"


async def test_a_person_has_so_many_in_a_workspace(tenant: Running) -> None:
    made = await create(tenant, request_id=(again := new_request_id()))
    like = "workspace_id, display_name, kind, host, settings, state, version, create_time"
    await execute(
        tenant.url,
        f"insert into destinations (id, resource_id, creator_id, update_time, {like})"
        f" select gen_random_uuid(), 'd' || n, creator_id, update_time, {like}"
        f" from destinations, generate_series(2, {MAX_DESTINATIONS_OF_PERSON}) n"
        " where workspace_id = $1",
        tenant.workspace,
    )
    refused = await refusal(create(tenant))
    assert refused.reason == "STATE_CONFLICT"
    dry = dp.CreateDestinationRequest(
        parent=tenant.parent, destination=dp.Destination(ntfy=ntfy()), validate_only=True
    )
    assert (
        await refusal(destinations.call(tenant, "CreateDestination", dry))
    ).reason == "STATE_CONFLICT"
    assert (await create(tenant, request_id=again)).name == made.name
    await create(tenant, user="bob")


async def test_secrets_are_sealed_anew_when_the_service_has_another_key(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, roles="api", **SETTINGS) as rota:
        await create(rota)
        await create(rota, email=dp.EmailSettings(address="ada@example.org"))
    newer = new_key()
    box = SecretBox.parse(newer)
    assert box is not None
    async with running(
        url, keys, clock=clock, **{**SETTINGS, "secret_keys": f"{newer},{KEY}"}
    ) as rota:

        async def sealed() -> bool:
            query = "select secrets from destinations where secrets is not null"
            [row] = await execute(rota.url, query)
            return bool(row["secrets"].startswith(box.prefix))

        assert await until(sealed)


async def test_without_a_key_only_what_has_no_secret_is_taken(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, roles="api") as rota:
        assert (await refusal(create(rota))).reason == "ENCRYPTION_UNAVAILABLE"
        assert (await create(rota, email=dp.EmailSettings(address="ada@example.org"))).etag


async def test_a_list_is_filtered_by_kind_and_state(tenant: Running) -> None:
    first = await create(tenant)
    second = await create(tenant, email=dp.EmailSettings(address="ada@example.org"))
    assert [one.name for one in await listed(tenant)] == [second.name, first.name]
    assert [one.name for one in await listed(tenant, "kind = NTFY")] == [first.name]
    assert [one.name for one in await listed(tenant, "state = UNVERIFIED")] == [second.name]
