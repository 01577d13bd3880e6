"""Values as a person reads them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota_client.terminal.definition import definition_rows
from rota_client.terminal.formatting import (
    StreamedText,
    format_moment,
    format_offset,
    format_value,
    sanitize,
)
from rota_client.time_zone import machine_zone
from tests.clients.frames import PAYLOAD
from tests.shared.text.test_invisible_characters import ENGLAND, FAMILY


@pytest.mark.parametrize(
    ("span", "said"),
    [(0, "UTC+0"), (60, "UTC+1"), (330, "UTC+5:30"), (-210, "UTC-3:30"), (-720, "UTC-12")],
)
def test_an_offset_is_said_in_hours(span: int, said: str) -> None:
    assert format_offset(timedelta(minutes=span)) == said


def test_a_moment_is_said_in_the_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert format_moment(datetime(2026, 11, 23, 8, tzinfo=UTC)) == "2026-11-23 17:00 JST"
    assert format_moment(None) == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (True, "yes"),
        (3, "3"),
        (["a", "b"], "a, b"),
        ([], "none"),
        ({"k": "\x1b"}, '{"k": "\\u001b"}'),
        ("\x9b31m\x00\u2067", "\ufffd31m\ufffd\ufffd"),
        ("line\n\ttab é 日", "line\n\ttab é 日"),
    ],
)
def test_a_value_is_said_in_a_line_that_no_terminal_obeys(said: Any, shown: str) -> None:
    assert format_value(said) == shown


@given(st.lists(st.sampled_from([*"ab\n", *FAMILY, *ENGLAND, "\x1b", "\u200b", "\r\n", "\u202e"])))
def test_a_text_in_pieces_is_shown_as_the_whole_is(pieces: list[str]) -> None:
    streamed = StreamedText()
    shown = "".join([streamed.add(piece) for piece in pieces] + [streamed.end()])
    assert shown == sanitize("".join(pieces))


def test_all_that_would_run_is_in_the_rows() -> None:
    definition = {
        **PAYLOAD["definition"],
        "triggers": [
            {
                "trigger_id": "t",
                "type": "schedule",
                "enabled": False,
                "config": {"cron": "0 9 * * *", "timezone": "UTC", "max_fires": 4},
            }
        ],
        "plan": [
            {
                "step_id": "one",
                "action": "agent_task",
                "when": "inputs.go",
                "config": {"prompt": "Go.\nThen stop.", "auto_approve": True, "model": "demo"},
            },
            {"step_id": "new", "action": "agent_task", "config": {"memory": "previous"}},
            {"step_id": "two", "action": "post", "config": {"url": "https://x.example"}},
        ],
        "execution": {
            "concurrency": "queue",
            "on_failure": [{"step_id": "sorry", "action": "agent_task", "config": {}}],
        },
        "inputs": {"schema": {"type": "object"}},
    }
    shown = "\n".join(f"{label}|{text}" for label, text in definition_rows(definition))
    for said in (
        "max fires: 4",
        "t (schedule, disabled)",
        "Then stop.",
        "auto approve: yes",
        "model: demo",
        "memory: what the step gave in the last run",
        "when: inputs.go",
        "tools granted: none",
        "url: https://x.example",
        "On failure|1. sorry",
        "concurrency: queue",
        'Inputs|{"type": "object"}',
    ):
        assert said in shown, said


def test_the_machines_zone_is_found_where_machines_keep_it(tmp_path: Path) -> None:
    assert machine_zone({}, tmp_path) == ""
    (tmp_path / "timezone").write_text("Europe/Paris\n")
    assert machine_zone({}, tmp_path) == "Europe/Paris"
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    assert machine_zone({}, tmp_path) == "Asia/Tokyo"
    assert machine_zone({"TZ": ":America/Lima"}, tmp_path) == "America/Lima"
    assert machine_zone({"TZ": "Europe"}, tmp_path) == "Asia/Tokyo"
