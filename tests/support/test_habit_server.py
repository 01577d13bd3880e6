"""The server of habits answers with each of them."""

from tests.support.habit_server import NAMES, answer

PLAIN = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


def test_each_habit_has_one_name_and_a_reply() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(answer(name, PLAIN) for name in NAMES)
    assert answer("Azure, stream_options", PLAIN) != answer(
        "Azure, stream_options", {**PLAIN, "stream_options": {}}
    )
