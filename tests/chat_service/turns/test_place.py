"""Places: what a stored request leads to."""

from uuid import UUID

from chat_service.turns.place import Place

TURN = "0199a7d4-5c00-7000-8000-00000000000a"
PLACE = Place(turn=UUID(TURN), sequence=12)


def test_a_place_is_stored_as_json_and_read_back() -> None:
    assert PLACE.to_json() == f'{{"turn":"{TURN}","sequence":12}}'
    assert Place.from_json(PLACE.to_json()) == PLACE


def test_a_place_stored_as_turn_at_sequence_is_read() -> None:
    assert Place.from_json(f"{TURN}@12") == PLACE
    assert Place.from_json(f"{TURN}@0") == Place(turn=UUID(TURN), sequence=0)
