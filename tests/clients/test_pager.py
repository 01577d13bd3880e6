"""Lists: all of it, or its first items with the token that continues after them."""

import json
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import webhook_pb2 as wp
from rota.chat.v1 import chat_pb2 as cp

from rota_client.pager import Page, Pager
from tests.clients.command import Rota
from tests.clients.frames import AUTOMATION, approval
from tests.clients.pages import page
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE

MORE = "there are more"


def fetch(sizes: Sequence[int]) -> Callable[[int, str], Any]:
    """Numbers from 0, in pages that are at most as large as asked; 0 is an empty page."""
    ends = list(accumulate(sizes))

    async def fetched(size: int, token: str) -> Page[int]:
        start, at = map(int, token.split("/")) if token else (0, 0)
        end = min(start + size, ends[at])
        following = at if end < ends[at] else at + 1
        more = f"{end}/{following}" if following < len(sizes) else ""
        return Page(items=range(start, end), next_page_token=more)

    return fetched


SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(SIZES, st.integers(1, 12))
async def test_items_come_once_and_in_order_however_they_are_paged(
    sizes: list[int], limit: int
) -> None:
    fetched = fetch(sizes)
    every = list(range(sum(sizes)))
    assert [one async for one in Pager(fetched, "")] == every
    first = await Pager(fetched, "").take(limit)
    assert list(first.items) == every[:limit]
    if first.next_page_token:
        rest = [one async for one in Pager(fetched, first.next_page_token)]
        assert [*first.items, *rest] == every
    else:
        assert len(first.items) == len(every)


class List(NamedTuple):
    """A command that lists, what its answer is made of, and what it shows of an item."""

    command: tuple[str, ...]
    field: str
    kind: type[Any]
    shown: str


LISTS = {
    "automations": List(("automations",), "automations", ap.ListAutomationsResponse, "item%d"),
    "runs": List(("runs", "news"), "runs", ap.ListRunsResponse, "item%d"),
    "slots": List(("slots", "news"), "slots", ap.ListSlotsResponse, "item%d"),
    "revisions": List(("revisions", "news"), "revisions", ap.ListRevisionsResponse, "70%d"),
    "webhook": List(
        ("webhook", "deliveries"),
        "webhook_deliveries",
        wp.ListWebhookDeliveriesResponse,
        "item%d",
    ),
    "threads": List(("threads",), "threads", cp.ListThreadsResponse, "item%d"),
    "approvals": List(("approvals", "--decided"), "approvals", cp.ListApprovalsResponse, "item%d"),
}
ITEMS: dict[str, Callable[[int], Any]] = {
    "automations": lambda n: ap.Automation(name=f"{AUTOMATION}item{n}"),
    "runs": lambda n: ap.Run(name=f"{AUTOMATION}/runs/item{n}"),
    "slots": lambda n: ap.Slot(reason=f"item{n}"),
    "revisions": lambda n: ap.Revision(revision=700 + n),
    "webhook": lambda n: wp.WebhookDelivery(name=f"{WORKSPACE}/webhook/deliveries/item{n}"),
    "threads": lambda n: cp.Thread(name=f"{WORKSPACE}/threads/item{n}"),
    "approvals": lambda n: approval(name=f"{WORKSPACE}/approvals/item{n}"),
}


def serve(peer: Peer, name: str, count: int) -> None:
    items = [ITEMS[name](number) for number in range(count)]
    listed = LISTS[name]

    def answer(request: Any) -> Message:
        found, token = page(items, request)
        made: Message = listed.kind(**{listed.field: found, "next_page_token": token})
        return made

    peer.automations.answers[listed.kind.__name__.removesuffix("Response")] = answer
    if name == "threads":
        peer.chat.threads = items
    if name == "approvals":
        peer.chat.approvals = {one.name: one for one in items}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_says_that_there_is_more_and_gives_it(
    rota_command: Rota, peer: Peer, name: str
) -> None:
    command, field, _, shown = LISTS[name]
    serve(peer, name, 5)

    def listed(*options: str) -> dict[str, Any]:
        done = rota_command(*command, *options, "--json")
        assert (done.exit_code, done.stderr) == (0, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    some = rota_command(*command, "--limit", "3")
    assert [shown % n in some.stdout for n in range(5)] == [True] * 3 + [False] * 2
    assert MORE in some.stderr
    for options in (("--all",), ("--limit", "5"), ()):
        every = rota_command(*command, *options)
        assert all(shown % n in every.stdout for n in range(5)), every.output
        assert MORE not in every.output
    whole = listed("--all")
    assert len(whole[field]) == 5
    first = listed("--limit", "3")
    rest = listed("--all", "--page-token", first["next_page_token"])
    assert "next_page_token" not in {**whole, **rest}
    assert first[field] + rest[field] == whole[field]
    assert rota_command(*command, "--all", "--limit", "3").exit_code == 2


def test_an_empty_list_is_json_too(rota_command: Rota, peer: Peer) -> None:
    serve(peer, "threads", 0)
    assert json.loads(rota_command("threads", "--all", "--json").stdout) == {"threads": []}
    assert rota_command("threads").stdout == "There are no threads.\n"


def test_lists_are_of_fifty_unless_more_is_asked_for(rota_command: Rota, peer: Peer) -> None:
    serve(peer, "threads", 51)
    done = rota_command("threads", "--json")
    assert len(json.loads(done.stdout)["threads"]) == 50
