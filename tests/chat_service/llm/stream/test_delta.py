"""What a delta says: its text, and what is marked as a thought in any form."""

from typing import Any

import pytest

from chat_service.llm.stream.delta import take_words
from chat_service.llm.stream.thought_tags import Thought

THOUGHT = [Thought("hm")]
TEXT = ["hm"]


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        ({"content": "hm"}, TEXT),
        ({"content": "hm", "role": "assistant"}, TEXT),
        ({"content": "hm", "role": "reasoning"}, THOUGHT),
        ({"content": "hm", "channel": "analysis"}, THOUGHT),
        ({"content": "hm", "channel": "final"}, TEXT),
        ({"content": [{"type": "Thinking", "text": "hm"}]}, THOUGHT),
        ({"content": [{"type": "analysis", "text": "hm"}]}, THOUGHT),
        ({"content": [{"type": "text", "text": "hm"}]}, TEXT),
        ({"content": [{"type": "text", "text": "hm", "is_thought": True}]}, THOUGHT),
        ({"content": [{"type": "text", "text": "hm", "thought": "true"}]}, THOUGHT),
        ({"content": [{"type": "text", "text": "hm", "thought": False}]}, TEXT),
        ({"content": "hm", "extra_content": {"google": {"thought": True}}}, THOUGHT),
        ({"reasoning": "hm", "content": ""}, THOUGHT),
    ],
)
def test_a_thought_is_known_by_its_marks(delta: dict[str, Any], words: list[Any]) -> None:
    assert take_words(delta) == words
