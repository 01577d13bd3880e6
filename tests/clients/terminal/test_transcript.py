"""`rota run --transcript`: what the agents of a run were asked, thought, did and said."""

import json
from typing import Any, Final

import pytest
from google.protobuf import json_format
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp

from tests.clients.command import Rota
from tests.clients.frames import AUTOMATION
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE, Told

RUN: Final = f"{AUTOMATION}/runs/r1"
CALL: Final = {
    "tool_call_id": "c1",
    "tool": "fetch_url",
    "args_json": '{"url":"https://a.example"}',
    "outcome": "OK",
    "output": {"status": 200},
}


def thread(session: str) -> str:
    return f"{WORKSPACE}/threads/{session}"


def message(kind: Any, value: dict[str, Any]) -> Any:
    return json_format.ParseDict(value, kind())


def give_run(peer: Peer, state: str = "SUCCEEDED", **step: Any) -> None:
    step = {"step_id": "news", "action": "agent_task", "attempts": 1, "session_id": "s1", **step}
    run = {"name": RUN, "state": state, "step_results": [step]}
    peer.automations.answers["GetRun"] = message(ap.Run, run)


def give_session(peer: Peer, session: str, *parts: dict[str, Any], **turn: Any) -> None:
    name = f"{thread(session)}/turns/u"
    said = {"name": f"{thread(session)}/messages/m1", "turn": name, "role": "USER"}
    answer = {"name": f"{thread(session)}/messages/m2", "turn": name, "role": "AGENT"}
    told = [
        message(cp.Message, {**answer, "parts": list(parts)}),
        message(cp.Message, {**said, "parts": [{"text": "Read it.\nTell\x1b[2J me."}]}),
    ]
    of = message(cp.Turn, {"name": name, "state": "SUCCEEDED", **turn})
    peer.chat.sessions[thread(session)] = ([of], told)


def test_the_prompt_thought_calls_answer_and_usage_are_shown(
    rota_command: Rota, peer: Peer
) -> None:
    give_run(peer)
    usage = {"model_calls": 2, "input_tokens": 1200, "output_tokens": 30, "cost_micros": 1500}
    parts: list[dict[str, Any]] = [
        {"reasoning": "I should look."},
        {"tool_call": CALL},
        {"text": "Ships sail."},
    ]
    give_session(peer, "s1", *parts, usage=usage)

    done = rota_command("run", "news/r1", "--transcript")

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "news",
        "> Read it.",
        "> Tell�[2J me.",
        "· thought: I should look.",
        '· fetch_url {"url":"https://a.example"}',
        '  → {"status": 200}',
        "Ships sail.",
        "· 2 model calls, 1,200 tokens read, 30 written, 0.0015 USD",
    ]


def test_each_try_has_its_own(rota_command: Rota, peer: Peer) -> None:
    give_run(peer, attempts=2, earlier_session_ids=["s0"])
    error = {"code": 14, "message": "the model is away"}
    give_session(peer, "s0", state="FAILED", error=error)
    give_session(peer, "s1", {"text": "Ships sail."})
    done = rota_command("run", "news/r1", "--transcript")
    assert (done.exit_code, "the model is away" in done.stderr) == (0, True)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("news")] == ["news, try 1", "news, try 2"]
    assert "Ships sail." in lines


def test_one_that_is_no_longer_kept_says_so(rota_command: Rota, peer: Peer) -> None:
    give_run(peer)
    done = rota_command("run", "news/r1", "--transcript")
    assert (done.exit_code, "no longer kept" in done.stdout) == (0, True)
    assert "30 days" in done.stdout
    line = json.loads(rota_command("run", "news/r1", "--transcript", "--json").stdout)
    assert (line["session_id"], "no longer kept" in line["error"]["message"]) == ("s1", True)


def test_a_run_without_agents_has_none(rota_command: Rota, peer: Peer) -> None:
    give_run(peer, session_id="")
    done = rota_command("run", "news/r1", "--transcript")
    assert (done.exit_code, done.stdout) == (0, "· no step of it was an agent's\n")


def test_as_json_each_turn_and_message_is_a_line(rota_command: Rota, peer: Peer) -> None:
    give_run(peer)
    give_session(peer, "s1", {"tool_call": CALL}, {"text": "Ships sail."})
    done = rota_command("run", "news/r1", "--transcript", "--json")
    turn, asked, answered = map(json.loads, done.stdout.splitlines())
    assert {line["session_id"] for line in (turn, asked, answered)} == {"s1"}
    assert turn["turn"]["state"] == "SUCCEEDED"
    assert asked["message"]["parts"][0]["text"].startswith("Read it.")
    assert answered["message"]["parts"][0]["tool_call"]["args_json"] == CALL["args_json"]


@pytest.mark.parametrize("as_json", [False, True])
def test_of_a_run_that_goes_on_it_is_shown_as_it_happens(
    rota_command: Rota, peer: Peer, as_json: bool
) -> None:
    """Its first session is open, and its second begins after that."""
    give_run(peer, state="RUNNING")
    give_session(peer, "s1", state="RUNNING")
    turns, messages = peer.chat.sessions[thread("s1")]
    peer.chat.sessions[thread("s1")] = (turns, messages[1:])
    told = Told(name=turns[0].name)
    told.add(
        [
            cp.TurnEvent(started=cp.TurnStarted(turn=told.name)),
            cp.TurnEvent(text_delta=cp.TextDelta(text="Ships sail.")),
            cp.TurnEvent(completed=cp.TurnCompleted()),
        ]
    )
    peer.chat.turns[told.name] = told
    give_session(peer, "s2", {"text": "And dock."})
    for sequence, (step, session) in enumerate([("news", "s1"), ("more", "s2")], start=1):
        update = {"step_updated": {"step": {"step_id": step, "session_id": session}}}
        event = message(ap.RunEvent, {"sequence": sequence, **update})
        peer.automations.events.append(event)
    ended = {"sequence": 3, "ended": {"state": "SUCCEEDED"}}
    peer.automations.events.append(message(ap.RunEvent, ended))

    done = rota_command("run", "news/r1", "--transcript", *(["--json"] if as_json else []))

    assert done.exit_code == 0, done.output
    if as_json:
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        kinds = [next(k for k in line if k not in ("step_id", "session_id")) for line in lines]
        assert kinds == ["message", "event", "event", "event", "turn", "message", "message"]
    else:
        assert "Ships sail." in done.stdout
        assert done.stdout.index("Ships sail.") < done.stdout.index("And dock.")
        assert [line for line in done.stdout.splitlines() if line in ("news", "more")] == [
            "news",
            "more",
        ]
