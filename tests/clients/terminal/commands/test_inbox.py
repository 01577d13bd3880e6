"""`rota inbox`: listed, read, watched and marked."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from rota.automation.v1 import inbox_pb2 as pb

from rota_client import RotaClient, errors
from tests.clients.command import Rota
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE

ITEM = "019aab00-0000-7000-8000-000000000001"
RUN = f"{WORKSPACE}/automations/news/runs/r1"


def item(**fields: Any) -> pb.InboxItem:
    told = {
        "name": f"{WORKSPACE}/inboxItems/{ITEM}",
        "kind": "RESULT",
        "state": "UNREAD",
        "subject": "Morning news",
        "snippet": "Trains are late",
        "format": "markdown",
        "run": RUN,
        "createTime": "2026-11-23T08:00:00Z",
        **fields,
    }
    return json_format.ParseDict(told, pb.InboxItem())


def event(sequence: int, **fields: Any) -> pb.InboxEvent:
    return pb.InboxEvent(sequence=sequence, unread_count=1, item=item(**fields))


@pytest.fixture
def told(peer: Peer) -> Peer:
    answers = peer.automations.answers
    answers["GetInboxItem"] = item(body="# Trains\x1b[31m\nthey are \u202elate")
    answers["ListInboxItems"] = pb.ListInboxItemsResponse(
        inbox_items=[item(), item(state="READ", kind="RUN_FAILED", subject="It failed")],
        unread_count=1,
        sequence=7,
    )
    answers["MarkInboxItems"] = pb.MarkInboxItemsResponse(marked_count=2, unread_count=3)
    return peer


def asked(peer: Peer) -> Any:
    return peer.automations.calls[-1]


def test_items_are_listed_with_what_is_unread(rota_command: Rota, told: Peer) -> None:
    for arguments in (["inbox"], ["inbox", "list"]):
        done = rota_command(*arguments)
        assert done.exit_code == 0, done.output
        first, second = (line for line in done.stdout.splitlines() if "2026-11-23" in line)
        assert "unread" in first
        assert "unread" not in second
        assert "run failed" in second
        assert "Trains are late" in done.stdout
        assert asked(told)[1].filter == ""
    rota_command("inbox", "list", "--unread")
    assert asked(told)[1].filter == "state = UNREAD"
    assert rota_command("inbox", "list", "--unread", "--filter", "kind = RESULT").exit_code == 2


def test_an_item_is_read_and_marked_and_its_text_does_nothing_to_the_terminal(
    rota_command: Rota, told: Peer
) -> None:
    done = rota_command("inbox", "read", ITEM)
    assert done.exit_code == 0, done.output
    assert "they are" in done.stdout
    assert "automations/news/runs/r1" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout)
    method, request = asked(told)
    assert (method, list(request.names)) == ("MarkInboxItems", [f"{WORKSPACE}/inboxItems/{ITEM}"])
    rota_command("inbox", "read", ITEM, "--keep-unread", "--json")
    assert asked(told)[0] == "GetInboxItem"
    assert rota_command("inbox", "read", "../x").stderr.startswith("Error: '../x' names no inbox")


def test_json_is_shown_as_json_and_what_is_cut_as_it_is(rota_command: Rota, told: Peer) -> None:
    answers = told.automations.answers
    for body, shown in (('{"a":[1]}', '"a": ['), ('{"a":[1', '{"a":[1')):
        answers["GetInboxItem"] = item(format="json", body=body)
        assert shown in rota_command("inbox", "read", ITEM).stdout


@pytest.mark.parametrize(
    ("arguments", "wants"),
    [
        ([ITEM], {"names": [f"{WORKSPACE}/inboxItems/{ITEM}"]}),
        ([ITEM, "--unread"], {"names": [f"{WORKSPACE}/inboxItems/{ITEM}"], "unread": True}),
        (["--thread", "t"], {"thread": f"{WORKSPACE}/threads/t"}),
        # By the clock of the service.
        (["--all"], {"end_time": "2026-11-23T08:00:00Z"}),
    ],
)
def test_items_are_marked(
    rota_command: Rota, told: Peer, arguments: list[str], wants: dict[str, Any]
) -> None:
    done = rota_command("inbox", "mark", *arguments)
    assert done.stdout == "2 marked; 3 unread\n"
    request = json_format.MessageToDict(asked(told)[1], preserving_proto_field_name=True)
    assert request.pop("request_id")
    assert request == {"parent": WORKSPACE, **wants}


def test_a_mark_says_what_it_marks(rota_command: Rota, told: Peer) -> None:
    for arguments in ([], [ITEM, "--all"], ["--all", "--thread", "t"]):
        assert rota_command("inbox", "mark", *arguments).exit_code == 2
    assert told.automations.calls == []


def test_a_watch_prints_what_comes_and_begins_after_what_is_there(
    rota_command: Rota, told: Peer
) -> None:
    told.inbox.events = [
        event(7, subject="old"),
        event(8, subject="new"),
        event(9, subject="seen", state="READ"),
        event(12, subject="newer"),
    ]
    done = rota_command("inbox", "watch")
    assert done.exit_code == 1  # who is no member any more
    assert [word in done.stdout for word in ("old", "new", "seen", "newer")] == [
        False,
        True,
        False,
        True,
    ]
    done = rota_command("inbox", "watch", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["sequence"] for line in lines] == [8, 9, 12]


async def test_a_cut_stream_goes_on_where_it_was_though_numbers_have_gaps(
    rota: RotaClient, told: Peer
) -> None:
    told.inbox.events = [event(sequence) for sequence in (2, 5, 9)]
    told.inbox.cuts = [1, 0, 1]
    seen = []
    with pytest.raises(errors.NotFound):
        async for one in rota.watch_inbox():
            seen.append(one.sequence)
    assert seen == [2, 5, 9]
    watches = [r.after_sequence for n, r in told.automations.calls if n == "WatchInboxItems"]
    assert watches == [0, 2, 2, 5]
