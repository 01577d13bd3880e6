"""Tickets through the gateway: who gets one, what it opens, and where it never stands."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf.message import Message
from rota.chat.v1 import chat_pb2 as cp

from gateway.http.sse import ticket
from gateway.http.sse.ticket import TicketOffice
from tests.gateway.conftest import Scripted
from tests.gateway.replicas import until
from tests.support.calls import event_stream, patient

TICKETS = "/v1/streamTickets"
TURN = "workspaces/w/threads/t/turns/u"
PATH = f"/v1/{TURN}:watch"
RUN = "/v1/workspaces/w/automations/a/runs/r:watch"
END = cp.TurnEvent(sequence=9, completed=cp.TurnCompleted())


def made(scripted: Scripted, path: str = PATH) -> dict[str, Any]:
    answer = scripted.front.http("POST", TICKETS, json={"path": path})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shown(scripted: Scripted, url: str, method: str = "GET", **headers: str) -> httpx2.Response:
    """A request of a browser, which has no token."""
    return httpx2.request(method, scripted.front.url + url, headers=headers, timeout=60)


def reason(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"][0]["reason"]


@pytest.fixture(autouse=True)
def _end(scripted: Scripted) -> None:
    scripted.replica.frames = lambda context: iter([END])


@pytest.mark.parametrize("path", [PATH, f"{PATH}?after_sequence=3", f"{PATH}?", RUN])
def test_a_ticket_opens_the_stream_as_the_person_it_was_made_for(
    scripted: Scripted, path: str
) -> None:
    told = made(scripted, path)
    assert told["url"].endswith(f"ticket={told['ticket']}")
    for _ in range(2):  # a browser that connects again shows it again
        scripted.replica.metadata = {}
        answer = shown(scripted, told["url"])
        assert answer.headers["content-type"] == "text/event-stream"
        assert event_stream.messages(answer.text.splitlines())[0]["sequence"] == 9
        bearer = scripted.replica.metadata["authorization"].removeprefix("Bearer ")
        assert bearer.count(".") == 2
    left = datetime.fromisoformat(told["expire_time"]) - datetime.now(UTC)
    assert left <= timedelta(seconds=60)


def test_the_place_in_the_stream_is_the_browsers(scripted: Scripted) -> None:
    url = made(scripted, f"{PATH}?after_sequence=3")["url"]
    for headers, after in (({}, 3), ({"last-event-id": "7"}, 7)):
        shown(scripted, url, **headers)
        request = cp.WatchTurnRequest.FromString(scripted.replica.requests["ChatService/WatchTurn"])
        assert (request.name, request.after_sequence) == (TURN, after)


Change = Callable[[str, str], str]
WRONG: dict[str, Change] = {
    "another turn": lambda url, _: url.replace("turns/u", "turns/v"),
    "another place": lambda url, _: url.replace("?", "?after_sequence=3&"),
    "another call": lambda _, it: f"{RUN}?ticket={it}",
    "a changed one": lambda _, it: (
        f"{PATH}?ticket={it[:20]}{'A' if it[20] != 'A' else 'B'}{it[21:]}"
    ),
    "half of one": lambda _, it: f"{PATH}?ticket={it[:40]}",
    "nothing": lambda _, it: f"{PATH}?ticket=",
    "a token": lambda _, it: f"{PATH}?ticket=aaaa.bbbb.cccc",
    "what can't be read": lambda url, _: url.replace("?", "?after_sequence=x&"),
    "what is no parameter": lambda url, _: f"{url}&x=1",
    "a call that is no stream": lambda _, it: f"/v1/workspaces/w/threads/t?ticket={it}",
    "the path of tickets": lambda _, it: f"{TICKETS}?ticket={it}",
}


@pytest.mark.parametrize("case", WRONG)
def test_a_ticket_opens_nothing_else(scripted: Scripted, case: str) -> None:
    told = made(scripted)
    scripted.replica.calls.clear()
    answer = shown(scripted, WRONG[case](told["url"], told["ticket"]))
    assert reason(answer) == (401, "UNAUTHENTICATED")
    assert told["ticket"] not in answer.text + str(answer.headers)
    assert not scripted.replica.calls


def test_a_ticket_that_has_expired_opens_nothing(scripted: Scripted) -> None:
    def sealed(after: float) -> str:
        office = TicketOffice(
            keys=ticket.parse_keys(scripted.ticket_keys),
            life=timedelta(seconds=after),
        )
        path = "/rota.chat.v1.ChatService/WatchTurn"
        return office.seal("a.b.c", path, cp.WatchTurnRequest(name=TURN))[0]

    expired = shown(scripted, f"{PATH}?ticket={sealed(-1)}")
    assert reason(expired) == (401, "UNAUTHENTICATED")
    assert "expired" in expired.json()["message"]
    assert shown(scripted, f"{PATH}?ticket={sealed(60)}").status_code == 200


def test_a_ticket_is_shown_alone_and_once(scripted: Scripted) -> None:
    told = made(scripted)
    both = shown(scripted, told["url"], **scripted.front.auth())
    twice = shown(scripted, f"{told['url']}&ticket={told['ticket']}")
    for answer in (both, twice):
        assert reason(answer)[0] == 400
        assert answer.json()["message"].startswith("ticket: ")
    for method in ("POST", "HEAD", "DELETE"):
        assert shown(scripted, told["url"], method).status_code == 401


REFUSED: dict[str, tuple[Any, str]] = {
    "no body": (None, ""),
    "no path": ({}, "path"),
    "null": ({"path": None}, "path"),
    "a number": ({"path": 3}, "path"),
    "an unknown key": ({"path": PATH, "life": 60}, "life"),
    "a list": ([PATH], ""),
    "a call that is no stream": ({"path": "/v1/workspaces/w/threads/t"}, "path"),
    "a stream that GET opens not": ({"path": "/v1/workspaces/w/threads/t:sendMessage"}, "path"),
    "a path of gRPC": ({"path": "/rota.chat.v1.ChatService/WatchTurn"}, "path"),
    "an address": ({"path": f"https://other{PATH}"}, "path"),
    "a fragment": ({"path": f"{PATH}#x"}, "path"),
    "a ticket in it": ({"path": f"{PATH}?ticket=x"}, "path"),
    "a parameter in it that is none": ({"path": f"{PATH}?after=3"}, "path"),
    "a value in it that is none": ({"path": f"{PATH}?after_sequence=-x"}, "path"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_there_is_no_ticket_for_anything_else(scripted: Scripted, case: str) -> None:
    body, field = REFUSED[case]
    answer = scripted.front.http("POST", TICKETS, **({} if body is None else {"json": body}))
    assert answer.status_code == 400
    violations = answer.json()["details"][1]["field_violations"]
    assert [one.get("field", "") for one in violations] == [field]


def test_a_ticket_is_made_for_a_person_and_by_a_post(scripted: Scripted) -> None:
    answer = patient.post(scripted.front.url + TICKETS, json={"path": PATH})
    assert reason(answer) == (401, "UNAUTHENTICATED")
    refused = scripted.front.http("GET", TICKETS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, POST")


def test_an_answer_with_a_ticket_is_neither_kept_nor_compressed(scripted: Scripted) -> None:
    headers = {"accept-encoding": "gzip, br"}
    answer = scripted.front.http("POST", TICKETS, json={"path": PATH}, headers=headers)
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert "content-encoding" not in answer.headers


def test_no_log_has_a_ticket_or_a_token(scripted: Scripted) -> None:
    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.INTERNAL, "broken")

    told = made(scripted)
    shown(scripted, told["url"])
    shown(scripted, told["url"] + "&x=1")
    scripted.replica.act = fail
    shown(scripted, told["url"])
    token = scripted.replica.metadata["authorization"].removeprefix("Bearer ")
    log = scripted.front.log
    os.kill(scripted.front.pid, signal.SIGUSR1)  # writes what is held back
    until(lambda: log.read_text().count(":watch") >= 3, log.read_text)
    logged = log.read_text()
    for secret in (told["ticket"], "ticket=", token):
        assert secret not in logged


def test_a_failure_that_passes_is_told_to_a_browser_by_an_event(scripted: Scripted) -> None:
    """Since its EventSource gives up for good on any status but 200."""

    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    url = made(scripted)["url"]
    scripted.replica.act = fail
    answer = shown(scripted, url)
    (event,) = event_stream.events(answer.text.splitlines())
    assert (answer.status_code, event.kind, event.id) == (200, "status", "")
    assert event.data["code"] == 14
    assert reason(scripted.front.http("GET", PATH)) == (503, "SERVICE_UNAVAILABLE")


def test_a_failure_that_stays_ends_what_a_browser_tries(scripted: Scripted) -> None:
    def fail(method: str, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such turn")

    url = made(scripted)["url"]
    scripted.replica.act = fail
    assert shown(scripted, url).status_code == 404


def test_a_stream_that_fails_later_says_so_by_an_event(scripted: Scripted) -> None:
    def frames(context: grpc.ServicerContext) -> Iterator[Message]:
        yield cp.TurnEvent(sequence=4, text_delta=cp.TextDelta(text="a"))
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "not any more")

    scripted.replica.frames = frames
    url = made(scripted)["url"]
    for answer in (shown(scripted, url), scripted.front.http("GET", PATH)):
        first, last = event_stream.events(answer.text.splitlines())
        assert (first.kind, first.id) == ("message", "4")
        assert (last.kind, last.id, last.data["code"]) == ("status", "", 7)


def test_a_stream_with_nothing_to_come_ends_what_a_browser_tries(scripted: Scripted) -> None:
    scripted.replica.frames = lambda context: iter(())
    answer = shown(scripted, made(scripted)["url"], **{"last-event-id": "9"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_ticket_opens_so_many_streams_in_a_short_time(scripted: Scripted) -> None:
    url = made(scripted)["url"]
    codes = [shown(scripted, url).status_code for _ in range(40)]
    assert set(codes) == {200, 429}
    assert shown(scripted, made(scripted)["url"]).status_code == 200
