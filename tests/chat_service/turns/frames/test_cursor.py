"""Cursors: what a stored request leads to."""

from uuid import UUID

from chat_service.turns.frames.cursor import FrameCursor

TURN = "0199a7d4-5c00-7000-8000-00000000000a"
CURSOR = FrameCursor(turn=UUID(TURN), sequence=12)


def test_a_cursor_is_stored_as_json_and_read_back() -> None:
    assert CURSOR.to_json() == f'{{"turn":"{TURN}","sequence":12}}'
    assert FrameCursor.from_json(CURSOR.to_json()) == CURSOR


def test_a_cursor_stored_as_turn_at_sequence_is_read() -> None:
    assert FrameCursor.from_json(f"{TURN}@12") == CURSOR
    assert FrameCursor.from_json(f"{TURN}@0") == FrameCursor(turn=UUID(TURN), sequence=0)
