"""Another workspace's things answer exactly as things that do not exist, in every call."""

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.message import Message
from google.rpc import status_pb2
from rota.agent.v1 import agent_pb2 as gp
from rota.chat.v1 import chat_pb2 as cp

from tests.contract.rows import reason_of
from tests.contract.stage import Stage
from tests.support.system.chat import approve
from tests.support.system.live import METHODS, Live, Tenant

Known = Callable[[str], Any]
SEED = 20261122
# What every workspace has under the same name.
ALWAYS = ("/-", "/webhook", "/noticeSettings")


@pytest.fixture(scope="session")
def stranger(live: Live) -> Tenant:
    """Somebody with a workspace of their own."""
    bob = live.tenant("bob")
    bob.call("ChatService/CreateThread", cp.CreateThreadRequest(parent=bob.name, thread={}))
    return bob


# Names no workspace: it answers every service alike.
EVERYWHERE = {"AgentService/ListCapabilities"}
SCOPED = [method for method in METHODS if method not in EVERYWHERE]
# Name what they are about by a key of the workspace's own: another's is simply a new one.
BY_KEY = {"AgentService/RunTask", "AgentService/CancelTask", "NoticeService/Notify"}
# Says of each name whether there is such a thing.
TELLS = {"AgentService/CheckThreads"}
# What somebody may try in the place of a workspace: hers reached through theirs, and patterns.
ODD = (
    "{theirs}/../{hers}",
    "{theirs}%2F..%2F{hers}",
    "{theirs}/{hers}",
    "./{hers}",
    "{hers}.",
    "{hers} ",
    "{hers}\n",
    "{hers}%00",
    "{hers}\x00",
    "{hers}\u200b",
    "{upper}",
    "{half}%",
    "{half}*",
    "{theirs},{hers}",
    "{theirs}' or '1'='1",
    "-",
    "*",
    "%",
    "",
)


@pytest.mark.parametrize("method", SCOPED)
def test_a_strange_workspace_is_no_workspace(
    stage: Stage, stranger: Tenant, known: Known, method: str
) -> None:
    request = known(method)
    nowhere = "w" + "0" * (len(stage.who.id) - 1)
    missing = renamed(request, lambda name: name.replace(stage.who.id, nowhere))
    found = stranger.refusal(method, request)
    assert reason_of(found) == "RESOURCE_NOT_FOUND"
    assert masked(found, stage.who.id) == masked(stranger.refusal(method, missing), nowhere)


@pytest.mark.parametrize("method", sorted(set(SCOPED) - BY_KEY - TELLS))
def test_a_strange_id_under_an_own_workspace_is_no_id(
    stage: Stage, stranger: Tenant, known: Known, method: str
) -> None:
    request = known(method)
    hers = [name for name in names_in(request) if any(is_id(p) for p in name.split("/"))]
    if not hers:
        assert not names_with_resources(request), "a call on resources must be tried"
        if re.search(r"/(Get|List)", method):
            assert_nothing_of_hers(stage, stranger, method, request)
        return
    dice = random.Random(f"{SEED}{method}")
    moved = renamed(request, lambda name: name.replace(stage.who.id, stranger.id))
    found = stranger.refusal(method, moved)
    assert reason_of(found) == "RESOURCE_NOT_FOUND"
    for _ in range(3):
        other = {part: another_id(part, dice) for part in ids_in(hers)}
        missing = renamed(moved, partial(swapped, other))
        status = stranger.refusal(method, missing)
        assert masked(status, *other.values()) == masked(found, *other)


@pytest.mark.parametrize("method", SCOPED)
def test_no_odd_spelling_of_a_strange_workspace_leads_there(
    stage: Stage, stranger: Tenant, known: Known, method: str
) -> None:
    request, hers = known(method), stage.who.id
    told = {"hers": hers, "theirs": stranger.id, "upper": hers.upper(), "half": hers[:6]}
    for odd in ODD:
        said = odd.format(**told)
        tried = renamed(request, lambda name, said=said: name.replace(hers, said))  # type: ignore[misc]
        found = reason_of(stranger.refusal(method, tried))
        assert found in ("RESOURCE_NOT_FOUND", "INVALID_REQUEST"), (odd, found)


def test_a_strange_thread_is_as_closed_as_one_that_is_not_there(
    stage: Stage, stranger: Tenant
) -> None:
    hers = stage.thread.name
    names = [
        hers,
        hers.replace(stage.who.id, stranger.id),
        f"{stranger.name}/threads/{UUID(int=7)}",
    ]
    request = gp.CheckThreadsRequest(workspace=stranger.name, threads=names)
    assert list(stranger.call("AgentService/CheckThreads", request).closed) == names


def test_a_strange_task_is_not_stopped(stage: Stage, stranger: Tenant) -> None:
    request = stage.task("Say hello. <<ttft=1>>")
    mine = stage.live.begin("AgentService/RunTask", request, stage.who.metadata("AgentService/"))
    next(mine)  # it has begun
    stop = gp.CancelTaskRequest(workspace=stranger.name, request_id=request.request_id)
    stranger.call("AgentService/CancelTask", stop)
    frames = [gp.TaskEvent.FromString(frame) for frame in mine]
    assert not frames[-1].result.HasField("error"), frames[-1]


def test_a_strange_approval_in_an_own_turn_is_no_approval(live: Live, stage: Stage) -> None:
    own = Stage(live.tenant("bob"))
    mine, hers = own.waiting, stage.waiting
    answers = []
    for name in (hers.name, f"{own.workspace}/approvals/{hers.name.rpartition('/')[2]}"):
        decision = approve(mine)
        decision.approval = name
        status = own.who.refusal("ChatService/ResumeTurn", own.resuming(mine, decision))
        answers.append(masked(status, name))
        decision.approval = missing = f"{own.workspace}/approvals/{UUID(int=7)}"
        gone = own.who.refusal("ChatService/ResumeTurn", own.resuming(mine, decision))
        answers.append(masked(gone, missing))
    assert len(set(answers)) == 1


def assert_nothing_of_hers(stage: Stage, stranger: Tenant, method: str, request: Any) -> None:
    own = renamed(request, lambda name: name.replace(stage.who.id, stranger.id))
    answer = stranger.live.raw(method, own, stranger.metadata(method))
    assert stage.who.id.encode() not in answer


def names_in(request: Message) -> list[str]:
    found: list[str] = []
    renamed(request, lambda name: found.append(name) or name)  # type: ignore[func-returns-value]
    return found


def names_with_resources(request: Message) -> list[str]:
    """Those of what a workspace may lack. `-` makes a thread."""
    return [n for n in names_in(request) if n.count("/") > 1 and not n.endswith(ALWAYS)]


def ids_in(names: list[str]) -> list[str]:
    return sorted({part for name in names for part in name.split("/") if is_id(part)})


def is_id(part: str) -> bool:
    """Of most resources a UUID, of a model a long number; that of a revision is short."""
    return (len(part) == 36 and part.count("-") == 4) or (part.isdecimal() and len(part) >= 10)


def another_id(part: str, dice: random.Random) -> str:
    if part.isdecimal():
        return str(dice.randrange(10**9, 10**10))
    return str(UUID(int=dice.getrandbits(128), version=4))


def swapped(other: dict[str, str], name: str) -> str:
    return "/".join(other.get(part, part) for part in name.split("/"))


def renamed(message: Message, change: Callable[[str], str]) -> Any:
    """The same request with every resource name in it changed."""
    copy = type(message)()
    copy.CopyFrom(message)
    _rename(copy, change)
    return copy


def _rename(message: Any, change: Callable[[str], str]) -> None:
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.full_name.startswith("rota."):
            for item in value if field.is_repeated else [value]:
                _rename(item, change)
        elif isinstance(value, str) and value.startswith("workspaces/"):
            setattr(message, field.name, change(value))


def masked(status: status_pb2.Status, *names: str) -> bytes:
    """The very bytes of a status, but for the names. Equally long names make equal bytes."""
    said: bytes = status.SerializeToString(deterministic=True)
    for name in names:
        said = said.replace(name.encode(), b"?" * len(name) if len(names) == 1 else b"?" * 36)
    return said
