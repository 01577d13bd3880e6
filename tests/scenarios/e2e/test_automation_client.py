"""What the agent's port promises, kept by the client and the other service together."""

import copy
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from chat_service.adapters.automation_client import AUTOMATION_SERVICE, AutomationClient
from chat_service.adapters.result_client import ResultClient
from chat_service.runtime.ports import AutomationView
from shared import errors
from shared.registries.catalogue import current_catalogue
from shared.rpc.client import DelegatedCredentials
from tests.scenarios.e2e.test_road import approved
from tests.support.credentials.tokens import Keys
from tests.support.service_parts.checks import CHECKS
from tests.support.system.automation import NEWS
from tests.support.system.pair import Pair

Ada = dict[str, Any]


@pytest.fixture
def ada(shared_road: Pair) -> Ada:
    """For whom the client calls."""
    return {"workspace": shared_road.workspace_id, "user": "ada"}


@pytest.fixture
async def client(shared_road: Pair, keys: Keys) -> AutomationClient:
    behalf = DelegatedCredentials(
        identity=keys.identity("chat_service"), audience=AUTOMATION_SERVICE
    )
    return AutomationClient(
        stub=shared_road.automations,
        destinations=shared_road.destinations,
        behalf=behalf,
        results=ResultClient.of(shared_road.to_automation, behalf),
        catalogue=current_catalogue,
        checks=CHECKS,
    )


@pytest.fixture
async def news(shared_road: Pair, client: AutomationClient, ada: Ada) -> AutomationView:
    _, name = await approved(shared_road)
    return await client.get(**ada, name=name)


def at_half_past_ten(news: AutomationView) -> dict[str, Any]:
    payload = copy.deepcopy(dict(news.payload))
    payload["definition"]["triggers"][0]["config"]["cron"] = "30 10 * * 1-5"
    return {"name": news.name, "etag": news.etag, **payload}


async def test_an_automation_is_read_with_what_an_update_would_replace(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    assert (news.display_name, news.state, news.revision) == ("Summarise the news", "active", 1)
    assert news.payload["definition"]["triggers"][0]["config"]["cron"] == "0 9 * * 1-5"
    (trigger,) = news.triggers
    assert trigger.next_fire == datetime(2026, 11, 24, 8, tzinfo=UTC)
    listed, more = await client.list(**ada, limit=10)
    assert [(one.name, one.etag, one.payload) for one in listed] == [(news.name, news.etag, {})]
    assert not more


async def test_a_list_is_cut_at_its_limit_and_says_so(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    payload = {
        **NEWS,
        "definition": {**NEWS["definition"], "plan": news.payload["definition"]["plan"]},
    }
    await client.create(**ada, payload=payload, request_id=uuid4())

    (newest,), more = await client.list(**ada, limit=1)

    assert (newest.display_name, more) == ("Morning news", True)


async def test_a_validated_update_is_canonical_and_changes_nothing(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    payload = at_half_past_ten(news)

    found = await client.validate_update(**ada, payload=payload)

    assert found.payload == payload
    assert (await client.get(**ada, name=news.name)).etag == news.etag


async def test_an_update_repeated_with_its_request_id_is_made_once(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    payload, request_id = at_half_past_ten(news), uuid4()

    first = await client.update(**ada, payload=payload, request_id=request_id)
    again = await client.update(**ada, payload=payload, request_id=request_id)

    assert again == first
    assert (await client.get(**ada, name=news.name)).revision == 2
    with pytest.raises(errors.RotaError) as stale:
        await client.update(**ada, payload=payload, request_id=uuid4())
    assert stale.value.reason == "ETAG_MISMATCH"


async def test_what_is_changed_while_it_is_paused_has_no_next_fires(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    await client.pause(
        **ada, name=news.name, note="", resume_time=None, etag=news.etag, request_id=uuid4()
    )
    paused = await client.get(**ada, name=news.name)

    saved = await client.update(**ada, payload=at_half_past_ten(paused), request_id=uuid4())
    later = await client.get(**ada, name=news.name)
    resumed = await client.resume(**ada, name=news.name, etag=later.etag, request_id=uuid4())

    assert (saved.next_fires, resumed.next_fires) == (
        (),
        ("2026-11-23T10:30:00+01:00 Europe/Paris",),
    )


async def test_an_update_without_an_etag_is_never_made(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    with pytest.raises(errors.InvalidRequest):
        await client.update(
            **ada, payload={**at_half_past_ten(news), "etag": ""}, request_id=uuid4()
        )


async def test_a_pause_repeated_after_a_resume_does_not_pause_again(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    pause: dict[str, Any] = {
        **ada,
        "name": news.name,
        "note": "",
        "resume_time": None,
        "etag": "",
        "request_id": uuid4(),
    }
    await client.pause(**pause)
    etag = (await client.get(**ada, name=news.name)).etag
    await client.resume(**ada, name=news.name, etag=etag, request_id=uuid4())

    await client.pause(**pause)

    assert (await client.get(**ada, name=news.name)).state == "active"


async def test_what_has_changed_since_it_was_seen_is_not_resumed(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    etag = (await client.get(**ada, name=news.name)).etag
    await client.pause(
        **ada, name=news.name, note="", resume_time=None, etag="", request_id=uuid4()
    )
    with pytest.raises(errors.RotaError) as refused:
        await client.resume(**ada, name=news.name, etag=etag, request_id=uuid4())
    assert refused.value.reason == "ETAG_MISMATCH"
    assert (await client.get(**ada, name=news.name)).state == "paused"


async def test_another_persons_workspace_has_nothing(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    with pytest.raises(errors.RotaError) as refused:
        await client.get(workspace="other", user="ada", name=news.name)
    assert refused.value.reason == "RESOURCE_NOT_FOUND"


async def test_what_is_no_slot_is_told_with_the_nearest(
    client: AutomationClient, news: AutomationView, ada: Ada
) -> None:
    trigger = f"{news.name}/triggers/{news.triggers[0].trigger_id}"

    no_slot = await client.explain_slot(
        **ada, trigger=trigger, moment=datetime(2026, 11, 24, 9, tzinfo=UTC)
    )
    to_come = await client.explain_slot(
        **ada, trigger=trigger, moment=datetime(2026, 11, 24, 8, tzinfo=UTC)
    )

    assert not no_slot.is_slot
    assert no_slot.nearest[-1].fire_time == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert (to_come.is_slot, to_come.outcome) == (True, "")
