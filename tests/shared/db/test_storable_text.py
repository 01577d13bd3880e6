"""Text that PostgreSQL and UTF-8 can hold."""

import pytest

from shared.db.storable_text import clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain €😀\ufeff", "plain €😀\ufeff"),
        ("a\x00b", "a\ufffdb"),
        ("a\udc00\ud83db", "a\ufffd\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("\ud83d\ud83d\ude00\ud83d", "\ufffd😀\ufffd"),
    ],
)
def test_what_cannot_be_stored_is_replaced_and_halves_are_joined(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    clean(text).encode()
