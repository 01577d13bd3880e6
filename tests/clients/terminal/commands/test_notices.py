"""`rota notices`: shown and set."""

from typing import Any

import pytest
from google.protobuf import json_format
from rota.automation.v1 import notice_settings_pb2 as pb

from tests.clients.command import Rota
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE

NAME = f"{WORKSPACE}/noticeSettings"
KIND = pb.NoticeSettings.Kind
SETTINGS = {
    "name": NAME,
    "routes": [
        {"kind": "RUN_FAILED", "places": ["inbox", f"{WORKSPACE}/destinations/team"]},
        {"kind": "AUTOMATION_PAUSED"},
    ],
    "quietHours": {
        "timeZone": "Europe/Paris",
        "start": "22:00",
        "end": "07:00",
        "days": ["FRIDAY"],
    },
    "failureInterval": "3600s",
    "approvalDelay": "60s",
    "etag": "e1",
}


@pytest.fixture
def told(peer: Peer) -> Peer:
    settings = json_format.ParseDict(SETTINGS, pb.NoticeSettings())
    answers = peer.notices.answers
    answers["GetNoticeSettings"] = answers["UpdateNoticeSettings"] = settings
    return peer


def asked(peer: Peer) -> Any:
    return peer.notices.calls[-1][1]


def test_they_are_shown(rota_command: Rota, told: Peer) -> None:
    for arguments in (["notices"], ["notices", "show"]):
        done = rota_command(*arguments)
        assert done.exit_code == 0, done.output
        lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
        assert "approval-waiting inbox" in lines
        assert "run-failed inbox, destinations/team" in lines
        assert "automation-paused nowhere" in lines
        assert "Quiet 22:00 to 07:00, Europe/Paris, Friday" in lines
        assert "How often failed runs of an automation at most every 1:00:00" in lines
    assert asked(told).name == NAME


def test_a_kind_is_sent_elsewhere_and_the_others_stay(rota_command: Rota, told: Peer) -> None:
    done = rota_command("notices", "send", "run-failed", "team")
    assert done.exit_code == 0, done.output
    request = asked(told)
    routes = {route.kind: list(route.places) for route in request.notice_settings.routes}
    assert routes == {
        KIND.AUTOMATION_PAUSED: [],
        KIND.RUN_FAILED: [f"{WORKSPACE}/destinations/team"],
    }
    assert (request.notice_settings.name, request.notice_settings.etag) == (NAME, "e1")
    assert list(request.update_mask.paths) == ["routes"]
    assert request.request_id
    assert rota_command("notices", "send", "run-failed").exit_code == 0
    assert [list(route.places) for route in asked(told).notice_settings.routes] == [[], []]


def test_quiet_hours_come_and_go(rota_command: Rota, told: Peer) -> None:
    done = rota_command(
        *("notices", "quiet", "21:30", "06:00", "--zone", "Asia/Tokyo", "--day", "sunday")
    )
    assert done.exit_code == 0, done.output
    quiet = asked(told).notice_settings.quiet_hours
    assert (quiet.start, quiet.end, quiet.time_zone) == ("21:30", "06:00", "Asia/Tokyo")
    assert list(quiet.days) == [pb.NoticeSettings.QuietHours.SUNDAY]
    assert rota_command("notices", "no-quiet").exit_code == 0
    request = asked(told)
    assert not request.notice_settings.HasField("quiet_hours")
    assert list(request.update_mask.paths) == ["quiet_hours"]


def test_delays_are_set_one_by_one(rota_command: Rota, told: Peer) -> None:
    assert rota_command("notices", "delays", "--failures", "0").exit_code == 0
    request = asked(told)
    assert request.notice_settings.failure_interval.seconds == 0
    assert list(request.update_mask.paths) == ["failure_interval"]
    assert rota_command("notices", "delays").exit_code == 2
