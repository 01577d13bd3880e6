"""`rota chat` without a terminal: what is typed comes from a pipe."""

import json
from pathlib import Path

import pytest
from rota.chat.v1 import chat_pb2

from tests.clients.command import Editor, Rota
from tests.clients.frames import (
    APPROVAL,
    AUTOMATION,
    PAYLOAD,
    approval,
    called,
    completed,
    finished,
    requested,
    step,
    suspended,
    text,
)
from tests.clients.peer import Peer
from tests.clients.scripted_chat import WORKSPACE, Cut, Frame


@pytest.fixture
def asks(peer: Peer) -> Peer:
    """A peer whose first turn asks for an approval and whose second segment says it is saved."""
    wanted = approval()
    peer.chat.approvals[wanted.name] = wanted
    peer.chat.segments.extend(
        [
            [
                step("Understanding your request", "Processing: every weekday at nine"),
                called("create_automation"),
                requested(wanted),
                suspended(wanted),
            ],
            [finished(AUTOMATION), text("Saved. It runs "), text("every weekday."), completed()],
        ]
    )
    return peer


def test_an_answer_streams_to_the_end(rota_command: Rota, peer: Peer) -> None:
    peer.chat.segments.append([text("Good "), text("morning."), completed()])
    peer.chat.cuts.append(Cut(after=2))
    done = rota_command("chat", "--message", "hello")
    assert done.exit_code == 0, done.output
    assert done.stdout == "Good morning.\n"
    assert peer.chat.calls[0][1].time_zone == "Europe/Paris"


def test_the_zone_that_is_given_goes_with_the_message(rota_command: Rota, peer: Peer) -> None:
    peer.chat.segments.append([completed()])
    rota_command("chat", "--message", "hello", "--zone", "Asia/Tokyo", "--thread", "t7")
    request = peer.chat.calls[0][1]
    assert request.time_zone == "Asia/Tokyo"
    assert request.name == f"{WORKSPACE}/threads/t7"


def test_json_is_one_line_a_frame(rota_command: Rota, peer: Peer) -> None:
    peer.chat.segments.append([text("hi"), completed()])
    done = rota_command("chat", "--message", "hello", "--json")
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert [frame["sequence"] for frame in frames] == [1, 2, 3]
    assert frames[1]["text_delta"]["text"] == "hi"


def test_the_card_says_all_there_is_to_decide(rota_command: Rota, asks: Peer) -> None:
    done = rota_command("chat", "--message", "every weekday at nine")
    assert done.exit_code == 0, done.output
    for said in (
        "Understanding your request: Processing: every weekday at nine",
        "Approval wanted",
        "Morning news",
        "At 09:00, Monday through Friday",
        "assumed, nobody named one: Europe/Paris",
        "Mon 2026-11-23 09:00  Europe/Paris (UTC+1)",
        "Mon 2027-03-29 09:00  Europe/Paris (UTC+2)",
        "Clocks went forward the day before.",
        "Summarise the news.",
        "tools granted: fetch_url",
        '{"topic": "shipping"}',
        "runs per month: 22",
        "2026-11-29 09:00 CET",
        "rota approve a1",
    ):
        assert said in done.stdout, said
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_a_script_approves(rota_command: Rota, asks: Peer) -> None:
    done = rota_command("chat", "--message", "every weekday at nine", "--approve")
    assert done.exit_code == 0, done.output
    assert "create_automation saved: automations/news" in done.stdout
    assert done.stdout.endswith("Saved. It runs every weekday.\n")
    (decision,) = asks.chat.calls[-1][1].decisions
    assert decision.WhichOneof("decision") == "approve"
    assert decision.payload_digest == "ab" * 32


def test_a_script_rejects_with_a_reason(rota_command: Rota, asks: Peer) -> None:
    done = rota_command("chat", "--message", "every weekday at nine", "--reject", "too early")
    assert done.exit_code == 0, done.output
    assert asks.chat.approvals[APPROVAL].reason == "too early"


def test_a_person_approves_and_goes_on_talking(rota_command: Rota, asks: Peer) -> None:
    asks.chat.segments.append([text("Bye."), completed()])
    done = rota_command("chat", typed="every weekday at nine\n?\na\nthanks\n/quit\nnever said\n")
    assert done.exit_code == 0, done.output
    assert "say a, e, r or l" in done.stdout
    assert "Saved. It runs every weekday.\n" in done.stdout
    assert done.stdout.endswith("Bye.\n")
    sent = [request for name, request in asks.chat.calls if name == "SendMessage"]
    assert [request.name for request in sent] == [
        f"{WORKSPACE}/threads/-",
        f"{WORKSPACE}/threads/t",
    ]


def test_a_person_rejects_with_a_reason(rota_command: Rota, asks: Peer) -> None:
    rota_command("chat", typed="every weekday at nine\nr\nI rise later\n")
    assert asks.chat.approvals[APPROVAL].reason == "I rise later"


def test_what_is_left_for_later_stays_pending_and_is_taken_up_again(
    rota_command: Rota, asks: Peer
) -> None:
    left = rota_command("chat", typed="every weekday at nine\nl\n")
    assert "rota approvals" in left.stdout
    assert "ResumeTurn" not in [name for name, _ in asks.chat.calls]
    again = rota_command("chat", "--thread", "t", typed="a\n")
    assert "Approval wanted" in again.stdout
    assert again.stdout.endswith("Saved. It runs every weekday.\n")


def test_the_end_of_the_input_leaves_the_approval_for_later(rota_command: Rota, asks: Peer) -> None:
    done = rota_command("chat", typed="every weekday at nine\n")
    assert done.exit_code == 0, done.output
    assert "ResumeTurn" not in [name for name, _ in asks.chat.calls]


def test_an_edit_is_sent_whole_and_one_that_is_refused_can_be_edited_again(
    rota_command: Rota, asks: Peer, tmp_path: Path, editor: Editor
) -> None:
    asks.chat.check = lambda payload: (
        {"definition.plan[0].config.prompt": "must not be empty"}
        if not payload["definition"]["plan"][0]["config"]["prompt"]
        else {}
    )
    env = editor(
        "payload['definition']['plan'][0]['config']['prompt'] = ''",
        "payload['definition']['plan'][0]['config']['prompt'] = 'Three lines on shipping.'",
    )
    done = rota_command("chat", typed="every weekday at nine\ne\ne\na\n", **env)
    assert done.exit_code == 0, done.output
    said = "Error: Does 1. summarise, prompt: must not be empty (INVALID_REQUEST)\n"
    assert done.stderr == said
    assert json.loads((tmp_path / "seen-edit-0").read_text()) == PAYLOAD
    assert '"prompt": ""' in (tmp_path / "seen-edit-1").read_text()
    sent = asks.chat.calls[-1][1].decisions[0].edit.payload
    assert sent["definition"]["plan"][0]["config"]["prompt"] == "Three lines on shipping."
    assert done.stdout.endswith("Saved. It runs every weekday.\n")


def test_what_is_no_json_is_edited_again_and_not_sent(
    rota_command: Rota, asks: Peer, tmp_path: Path, editor: Editor
) -> None:
    asks.chat.segments.pop()
    asks.chat.segments.append([completed()])
    env = editor("BREAK", "payload = {'display_name': 'News'}")
    done = rota_command("chat", typed="every weekday at nine\ne\ne\na\n", **env)
    assert "no JSON at line 1" in done.stdout
    assert (tmp_path / "seen-edit-1").read_text() == '{"display_name": \n'
    edits = [request for name, request in asks.chat.calls if name == "ResumeTurn"]
    assert [dict(request.decisions[0].edit.payload) for request in edits] == [
        {"display_name": "News"}
    ]


def test_the_warnings_of_an_edit_are_shown_before_its_approval_is_asked_for(
    rota_command: Rota, asks: Peer, editor: Editor
) -> None:
    asks.chat.warn = lambda payload: [f"It is called {payload['display_name']}."]
    env = editor("payload['display_name'] = 'One'", "payload['display_name'] = 'Two'")
    left = rota_command("chat", typed="every weekday at nine\ne\nl\n", **env)
    assert "It is called One." in left.stdout
    assert asks.chat.approvals[APPROVAL].state == chat_pb2.Approval.PENDING
    rota_command("chat", "--thread", "t", typed="e\na\n", **env)
    names = [name for name, _ in asks.chat.calls]
    assert names.index("PreviewDecision") < names.index("ResumeTurn")
    (sent,) = asks.chat.calls[-1][1].decisions
    assert sent.edit.payload["display_name"] == "Two"


def test_an_edit_is_approved_though_a_server_tells_no_warnings_of_it(
    rota_command: Rota, asks: Peer, editor: Editor
) -> None:
    asks.chat.previews = False
    env = editor("payload['display_name'] = 'One'")
    done = rota_command("chat", typed="every weekday at nine\ne\na\n", **env)
    assert "this server does not check an edit" in done.stderr
    (sent,) = asks.chat.calls[-1][1].decisions
    assert sent.edit.payload["display_name"] == "One"


def test_an_edit_that_is_taken_back_approves_what_was_proposed(
    rota_command: Rota, asks: Peer, editor: Editor
) -> None:
    env = editor("payload['display_name'] = 'One'", f"payload = {PAYLOAD!r}")
    done = rota_command("chat", typed="every weekday at nine\ne\ne\na\n", **env)
    assert "nothing was changed" in done.stdout
    (sent,) = asks.chat.calls[-1][1].decisions
    assert sent.WhichOneof("decision") == "approve"


def test_an_editor_that_cannot_start_or_changes_nothing_sends_nothing(
    rota_command: Rota, asks: Peer
) -> None:
    said = "every weekday at nine\ne\nl\n"
    gone = rota_command("chat", typed=said, EDITOR="/nowhere/editor", VISUAL="")
    assert "the editor did not start" in gone.stdout
    same = rota_command("chat", "--thread", "t", typed="e\nl\n", EDITOR="true", VISUAL="")
    assert "nothing was changed" in same.stdout
    assert "ResumeTurn" not in [name for name, _ in asks.chat.calls]


def test_what_a_model_says_does_not_drive_the_terminal(rota_command: Rota, peer: Peer) -> None:
    peer.chat.segments.append([text("a\x1b[2Jb\u202ec\r\n[bold]d[/]"), completed()])
    done = rota_command("chat", "--message", "hello")
    assert done.stdout == "a\ufffd[2Jb\ufffdc\n[bold]d[/]\n"


def test_results_of_runs_are_shown_once_and_drive_no_terminal(
    rota_command: Rota, peer: Peer
) -> None:
    def message(name: str, part: chat_pb2.Part, role: int = chat_pb2.Message.AGENT) -> None:
        peer.chat.messages.insert(0, chat_pb2.Message(name=name, role=role, parts=[part]))  # type: ignore[arg-type]

    for number, body in enumerate(["seen before", "a\x1b[2Jb\n[bold]c[/]", "x" * 9_000]):
        result = chat_pb2.RunResult(
            automation_display_name="News",
            run=f"{WORKSPACE}/automations/news/runs/r{number}",
            subject=f"Day {number}",
            body=body,
        )
        message(f"r{number}", chat_pb2.Part(run_result=result))
        if not number:
            message("u", chat_pb2.Part(text="hello"), chat_pb2.Message.USER)
    peer.chat.segments.append([text("Hello."), completed()])
    done = rota_command("chat", "--thread", "t", typed="hello\n")
    assert done.exit_code == 0, done.output
    assert "seen before" not in done.stdout
    assert done.stdout.count("a\ufffd[2Jb\n[bold]c[/]\n") == 1
    assert done.stdout.index("Day 1") < done.stdout.index("Day 2") < done.stdout.index("Hello.")
    assert done.stdout.count("x") == 4_000
    assert "it goes on: rota run" in done.stdout


def test_a_failed_turn_says_why_and_ends_with_1(rota_command: Rota, peer: Peer) -> None:
    failed = Frame(failed=chat_pb2.TurnFailed())
    failed.failed.status.code = 14
    failed.failed.status.message = "the model did not answer"
    for said, error in (
        ([], "the model did not answer"),
        ([text("Let me")], "the answer broke off"),
        ([text("Let me look."), called("now")], "the model did not answer"),
    ):
        peer.chat.segments.append([*said, failed])
        done = rota_command("chat", "--message", "hello")
        assert done.exit_code == 1
        assert done.stdout.startswith("Let me" if said else "")
        assert done.stderr == f"Error: {error}\n"


def test_an_attempt_is_told_as_it_looked(rota_command: Rota, peer: Peer) -> None:
    retracted = Frame(text_retracted=chat_pb2.TextRetracted())
    rerouted = Frame(model_rerouted=chat_pb2.ModelRerouted(reason="the model did not answer"))
    soon, late = (Frame(retrying=chat_pb2.Retrying(reason=r)) for r in ("it is busy", "again"))
    soon.retrying.delay.FromMilliseconds(400)
    late.retrying.delay.FromSeconds(5)
    peer.chat.segments.extend(
        [
            [retracted, rerouted, soon, late, text("Hi."), completed()],
            [text("Half"), retracted, rerouted, retracted, rerouted, text("Hi."), completed()],
        ]
    )
    assert rota_command("chat", "--message", "hello").stdout.splitlines() == [
        "· another model continues: the model did not answer",
        "· trying again: it is busy",
        "· trying again in 5 s: again",
        "Hi.",
    ]
    assert rota_command("chat", "--message", "hello").stdout.splitlines() == [
        "Half",
        "· the last text is withdrawn and written again",
        "· another model continues: the answer broke off",
        "· another model continues: the model did not answer",
        "Hi.",
    ]


def test_quit_at_the_card_leaves_it_for_later(rota_command: Rota, asks: Peer) -> None:
    for keys in ("/quit\n", "r\n/quit\n"):
        done = rota_command("chat", typed=f"every weekday at nine\n{keys}a\n")
        assert done.exit_code == 0, done.output
        assert done.stdout.endswith("· it waits: `rota approvals` lists what is left for later\n")
        asks.chat.segments.appendleft([requested(approval()), suspended(approval())])
    assert "ResumeTurn" not in [name for name, _ in asks.chat.calls]


def test_a_message_without_text_is_refused(rota_command: Rota, peer: Peer) -> None:
    for message in ("", " "):
        done = rota_command("chat", "--message", message)
        assert done.exit_code == 2
        assert "--message has no text" in done.stderr
    assert peer.chat.calls == []


def test_without_a_server_it_is_said_how_to_start_one(rota_command: Rota, tmp_path: Path) -> None:
    nothing = rota_command("chat", ROTA_GATEWAY="", ROTA_STATE_DIR=str(tmp_path))
    assert nothing.exit_code == 1
    assert "make run" in nothing.stderr
    gone = rota_command("chat", ROTA_GATEWAY="127.0.0.1:9")
    assert gone.exit_code == 1
    assert "nothing answers at 127.0.0.1:9" in gone.stderr
