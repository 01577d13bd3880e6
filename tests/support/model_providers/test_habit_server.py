"""The server of habits answers with each of them."""

import json
from typing import Any

from tests.support.model_providers.habit_server import NAMES, answer

PLAIN: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "messages": [{"role": "user", "content": "hello"}],
}


def test_each_habit_has_one_name_and_a_reply() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(answer(name, PLAIN) for name in NAMES)
    assert answer("Azure, stream_options", PLAIN) != answer(
        "Azure, stream_options", {**PLAIN, "stream_options": {}}
    )


def test_a_habit_of_calls_calls_a_tool_drafts_and_goes_on() -> None:
    tools = {**PLAIN, "tools": [{"type": "function", "function": {"name": "create_automation"}}]}
    result = {**tools, "messages": [*PLAIN["messages"], {"role": "tool", "content": "{}"}]}
    drafter = {**PLAIN, "response_format": {"type": "json_object"}}

    assert '\\"intent\\"' in json.dumps(answer("call, fenced", tools))
    assert "A joke" in json.dumps(answer("call, fenced", drafter))
    assert answer("call, fenced", result) == answer("call, fenced", PLAIN)
    assert answer("after the act, silence", result) != answer("call, fenced", result)
