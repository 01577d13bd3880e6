"""What a person types wrongly gets an answer in words, and never a traceback."""

import contextlib
import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota_client.connection import Endpoint
from rota_client.message_parser import BadJson, parse_object
from rota_client.terminal.commands.automations import BadMoment, parse_moment
from rota_client.terminal.formatting import format_moment
from tests.clients.command import Editor, Rota
from tests.clients.frames import approval, completed, requested, suspended
from tests.clients.peer import Peer

# Bytes of another encoding come as such characters.
BYTES = "\udcff"
HUGE = "9" * 30
TEXT_COMMANDS = (
    "approval ?",
    "approve ?",
    "reject ?",
    "automation ?",
    "runs ?",
    "run a/?",
    "slots ?",
    "watch a/?",
    "pause ?",
    "pause a --note ?",
    "resume ?",
    "archive ?",
    "cancel a/?",
    "delete --yes ?",
    "revisions ?",
    "revision ? 1",
    "rollback ? 1",
    "explain ? 2026-11-23T09:00:00Z",
    "preview --cron ?",
    "preview --cron x --zone ?",
    "threads --page-token ?",
    "chat --message ?",
    "chat --message x --thread ?",
    "chat --message x --zone ?",
    "webhook set ?",
    "webhook set x --event ?",
    "models add --base-url ? --model x --no-key",
    "models add --base-url x --model ? --no-key",
    "models remove ?",
    "--workspace ? threads",
)


def words(command: str, value: str) -> list[str]:
    return [word.replace("?", value) for word in command.split()]


def test_text_that_is_not_utf_8_is_refused_in_words(rota_command: Rota) -> None:
    said = {c: rota_command(*words(c, BYTES)) for c in TEXT_COMMANDS}
    refused = (1, "Error: not sent: a name or text is not UTF-8\n")
    assert {c: d for c, d in said.items() if (d.exit_code, d.stderr) != refused} == {}


@pytest.mark.parametrize(
    "command",
    [
        "threads --limit ?",
        "revision a ?",
        "rollback a ?",
        "preview --cron x --count ?",
        "chat --message x --model ?",
        "models add --base-url x --model x --no-key --context-tokens ?",
        "explain a ?",
    ],
)
def test_what_is_no_such_number_or_time_is_refused_in_words(
    rota_command: Rota, peer: Peer, command: str
) -> None:
    for value in ("", "one", "1e400", "0.5", HUGE, "-1", "\x00", "٣x"):
        sent = len(peer.chat.calls) + len(peer.automations.calls)
        done = rota_command(*words(command, value))
        assert done.exception is None or isinstance(done.exception, SystemExit), value
        # A list of any length, and a model of any number, can be asked for.
        if sent == len(peer.chat.calls) + len(peer.automations.calls):
            assert (done.exit_code, done.stderr[:6]) == (2, "Usage:"), value


# Texts as `datetime.isoformat` makes them, the ends of the calendar with any offset among them.
MOMENTS = st.builds(
    "{}{}".format,
    st.datetimes().map(datetime.isoformat) | st.sampled_from(["0001-01-01", "9999-12-31T23:59:59"]),
    st.sampled_from(["", "Z", "+00:00", "+14:00", "-12:00", "+23:59", "-23:59"]),
)


@given(MOMENTS | st.text(max_size=30))
def test_a_moment_is_in_utc_or_refused(text: str) -> None:
    with contextlib.suppress(BadMoment):
        assert parse_moment(text).tzinfo is UTC


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Lima", "UTC"])
@pytest.mark.parametrize("year", [1, 9999])
def test_every_moment_that_a_server_can_send_is_shown(
    monkeypatch: pytest.MonkeyPatch, zone: str, year: int
) -> None:
    monkeypatch.setenv("TZ", zone)
    ends = (datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, 23, 59, tzinfo=UTC))
    assert all(format_moment(moment) for moment in ends)


def test_an_address_that_is_none_is_said_to_be_none(rota_command: Rota) -> None:
    for address in ("a", "a..b:80", f"{'x' * 70}.example:80", "http://[", "a:b", "ftp://a:1"):
        with pytest.raises(ValueError, match=re.escape(repr(address))) as refused:
            Endpoint.of(address)
        done = rota_command("--gateway", address, "threads")
        assert (done.exit_code, done.stderr) == (1, f"Error: {refused.value}\n")


def test_a_token_that_no_header_can_hold_is_not_sent(rota_command: Rota, peer: Peer) -> None:
    for token in ("é", "a\nb", "a b", BYTES):
        done = rota_command("threads", ROTA_TOKEN=token)
        assert done.exit_code == 1
        assert "a token is one word of ASCII" in done.stderr
    assert peer.chat.calls == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON at line 1, column 2"),
        ("[]", "it is no object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 5_000 + "1" + "}" * 5_000, "nested too deeply"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        (f'{{"a": {"9" * 400}}}', "a number in it is too large"),
        (f'{{"a": {"9" * 5_000}}}', "a number in it is too large"),
        ('{"a": NaN}', "NaN is no number"),
    ],
)
def test_a_payload_that_can_not_be_sent_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(BadJson, match=said):
        parse_object(text)


@given(
    st.text(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    ).map(json.dumps)
)
def test_an_edit_is_an_object_or_refused(text: str) -> None:
    with contextlib.suppress(BadJson):
        assert isinstance(parse_object(text), dict)


def test_an_editor_that_is_no_command_or_writes_no_text_changes_nothing(
    rota_command: Rota, peer: Peer, editor: Editor
) -> None:
    wanted = approval()
    peer.chat.approvals[wanted.name] = wanted
    peer.chat.segments.append([requested(wanted), suspended(wanted)])
    quoted = rota_command("chat", typed="hello\ne\nl\n", EDITOR="'", VISUAL="")
    assert "EDITOR is no command" in quoted.stdout
    env = editor("path.write_bytes(b'\\xff'); path = pathlib.Path('/dev/null')")
    latin = rota_command("chat", "--thread", "t", typed="e\nl\n", **env)
    assert "the editor wrote text that is not UTF-8" in latin.stdout
    assert "ResumeTurn" not in [name for name, _ in peer.chat.calls]


def test_bytes_that_are_typed_and_not_utf_8_are_replaced(rota_command: Rota, peer: Peer) -> None:
    peer.chat.segments.append([completed()])
    done = rota_command("chat", typed=b"caf\xe9\n/quit\n")
    assert done.exit_code == 0, done.output
    key = rota_command("models", "add", "--base-url", "x", "--model", "x", typed=b"k\xe9\n")
    assert "standard input is not UTF-8" in key.stderr
