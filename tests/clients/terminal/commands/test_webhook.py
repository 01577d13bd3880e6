"""`rota webhook`: set, shown, turned, rotated, tested, and what was sent."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from rota.automation.v1 import webhook_pb2 as pb

from tests.clients.command import Rota
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE

NAME = f"{WORKSPACE}/webhook"
ADDRESS = "https://example.org/hook"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(**fields: Any) -> pb.Webhook:
    return json_format.ParseDict({"name": NAME, "uri": ADDRESS, **fields}, pb.Webhook())


@pytest.fixture
def told(peer: Peer) -> Peer:
    sent = pb.WebhookDelivery(
        name=f"{NAME}/deliveries/019aab00-0000-7000-8000-000000000001",
        event_type="webhook.test",
        state=pb.WebhookDelivery.PENDING,
        error="it answered 500",
        subject=NAME,
    )
    answers = peer.automations.answers
    answers["GetWebhook"] = webhook(disabled=True, disabled_reason="It is gone.")
    answers["UpdateWebhook"] = webhook(secret=SECRET, event_types=["run.failed"])
    answers["RotateWebhookSecret"] = webhook(secret=SECRET)
    answers["TestWebhook"] = answers["GetWebhookDelivery"] = sent
    answers["ListWebhookDeliveries"] = pb.ListWebhookDeliveriesResponse(webhook_deliveries=[sent])
    return peer


def asked(peer: Peer) -> Any:
    return peer.automations.calls[-1][1]


def test_it_is_shown_and_why_it_is_off(rota_command: Rota, told: Peer) -> None:
    for arguments in (["webhook"], ["webhook", "show"]):
        done = rota_command(*arguments)
        assert done.exit_code == 0, done.output
        assert ADDRESS in done.stdout
        assert "It is gone." in done.stdout
    assert asked(told).name == NAME


def test_setting_it_shows_the_secret_and_says_that_it_is_the_only_time(
    rota_command: Rota, told: Peer
) -> None:
    done = rota_command("webhook", "set", ADDRESS, "--event", "run.failed")
    assert SECRET in done.stdout
    assert "not shown again" in done.stdout
    request = asked(told)
    assert (request.webhook.uri, list(request.webhook.event_types)) == (ADDRESS, ["run.failed"])
    assert list(request.update_mask.paths) == ["uri", "event_types", "disabled", "include_output"]
    assert request.request_id


@pytest.mark.parametrize(("verb", "disabled"), [("on", False), ("off", True)])
def test_it_is_turned_on_and_off(rota_command: Rota, told: Peer, verb: str, disabled: bool) -> None:
    assert rota_command("webhook", verb).exit_code == 0
    request = asked(told)
    assert request.webhook.disabled is disabled
    assert request.webhook.HasField("disabled")
    assert list(request.update_mask.paths) == ["disabled"]


def test_a_leaked_secret_is_revoked(rota_command: Rota, told: Peer) -> None:
    assert SECRET in rota_command("webhook", "rotate", "--revoke").stdout
    assert asked(told).revoke_previous


def test_what_was_sent_is_listed_with_what_became_of_it(rota_command: Rota, told: Peer) -> None:
    assert "webhook.test" in rota_command("webhook", "test").stdout
    done = rota_command("webhook", "deliveries")
    assert "019aab00-0000-7000-8000-000000000001" in done.stdout
    assert "500" in done.stdout
    found = json.loads(rota_command("webhook", "deliveries", "--json").stdout)
    assert found["webhook_deliveries"][0]["state"] == "PENDING"
