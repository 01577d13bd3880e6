"""Load shapes, and how the environment names them."""

import pytest

from bench.chat.shape import LoadShape, read_paced, read_unpaced


def test_a_number_of_streams_has_the_tokens_and_answers_of_its_row() -> None:
    assert read_unpaced("1, 50,7") == [
        LoadShape(streams=1, tokens=1000, answers=30),
        LoadShape(streams=50, tokens=300, answers=4),
        LoadShape(streams=7, tokens=100),
    ]


def test_a_paced_shape_is_streams_and_tokens_at_twenty_a_second() -> None:
    found = read_paced("100x80,150x80")
    assert [str(shape) for shape in found] == ["100 x 80 at 20/s", "150 x 80 at 20/s"]
    assert [(shape.turns, shape.words) for shape in found] == [(100, 8000), (150, 12000)]


def test_nothing_named_is_nothing_measured() -> None:
    assert read_unpaced("") == read_paced(" ") == []


@pytest.mark.parametrize("said", ["100", "x80", "100x", "0x80", "1x-1", "1.5x2", "1x8,", "²x1"])
def test_a_paced_shape_that_cannot_be_read_is_an_error(said: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        read_paced(said)


@pytest.mark.parametrize("said", ["0", "-1", "many", "1,,2", "1.0"])
def test_a_number_of_streams_that_cannot_be_read_is_an_error(said: str) -> None:
    with pytest.raises(ValueError, match="is no number above 0"):
        read_unpaced(said)
