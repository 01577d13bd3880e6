"""Thoughts between tags, in any pieces."""

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.llm.stream.thought_tags import Retraction, Thought, ThoughtSplitter


def split(pieces: Sequence[str]) -> tuple[str, str]:
    """Returns the text and the thought of an answer that comes in these pieces."""
    splitter = ThoughtSplitter()
    said: list[str] = []
    thoughts: list[str] = []
    for piece in [*(one for text in pieces for one in splitter.read(text)), *splitter.close()]:
        match piece:
            case str():
                said.append(piece)
            case Thought(text=text):
                thoughts.append(text)
            case Retraction(thought=text):
                assert text == "".join(said) or text.startswith("".join(said))
                said.clear()
                thoughts.append(text)
    return "".join(said), "".join(thoughts)


@pytest.mark.parametrize(
    ("answer", "text", "thought"),
    [
        ("<think>a</think>b", "b", "a"),
        ("\n<think>\na\n</think>\n\nb", "b", "a\n"),
        ("<think>a", "", "a"),
        ("<think>a</think>", "", "a"),
        ("a</think>b", "b", "a"),
        ("</think>b", "b", ""),
        ("<think></think>b", "b", ""),
        ("<think>a</think><thinking>b</thinking>c", "c", "a\n\nb"),
        ("<think>a<think>b</think>c</think>d", "d", "a<think>bc"),
        ("<think>say `</think>` or </think>b", "b", "say `</think>` or "),
        ("<think>a</thinking>b", "b", "a"),
        ("<THINK>a</Think >b", "b", "a"),
        ('<think mode="deep">a</think>b', "b", "a"),
        *((f"{blank}<think>a</think>b", "b", "a") for blank in "\ufeff\xa0\u3000\u200e\u2028\xad"),
        ("<think\n>a</think>b", "b", "a"),
        ('<think\n  mode="deep"\n>a</think>b', "b", "a"),
        ("<|channel|> analysis<|message|>a<|end|>b", "b", "a"),
        ("<|channel|>analysis to=x<|message|>a<|end|>b", "b", "a"),
        ("<|channel|>analysis<|message|>a<|end|><|channel|>commentary<|message|>b", "b", "a"),
        ("<think>a</think>`<think>` opens", "`<think>` opens", "a"),
    ],
)
def test_a_thought_stands_at_the_beginning(answer: str, text: str, thought: str) -> None:
    assert split([answer]) == (text, thought)


@pytest.mark.parametrize(
    "answer",
    [
        "Sure: <think>a</think> b",
        "Write `<think>` first.",
        "`</think>` closes it.",
        "Write `</think>` last.",
        'It ends with "</think>" here.',
        "The </think> tag closes it.",
        "```xml\n<think>a</think>\n```",
        "As in\n```\na\n</think>\n```\nb",
        '{"text": "a</think>b", "n": 1}',
        '["a </think>", 1]',
        "<thinker>a</thinker>",
        "<b>a</b>",
        "[think]a[/think]",
        "a < b </ c <",
        "[1](http://a)",
        "  \n a",
        "<",
        "<thin",
        "",
    ],
)
def test_any_other_tag_is_text(answer: str) -> None:
    assert split([answer]) == (answer, "")
    assert split(list(answer)) == (answer, "")


PARTS = (
    *("<think>", "</think>", "<thinking>", "</thinking>", "<|begin_of_thought|>", "[THINK]"),
    *("<|end_of_thought|>", "[/THINK]", "◁think▷", "◁/think▷", "<|begin_of_solution|>", "<|end|>"),
    *("<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
    *("<|channel|> analysis to=x<|message|>", "<|channel|>commentary<|message|>", "\xa0", "\u200e"),
    *("<|channel|>", "<think\n>"),
    *("<", ">", "</", "|", "`", '"', "```\n", "\n", " ", "a", "Word. ", " word", '{"a": "', "}"),
)


@given(parts=st.lists(st.sampled_from(PARTS), max_size=12), seed=st.integers(0, 2**16))
def test_the_borders_of_pieces_change_nothing(parts: list[str], seed: int) -> None:
    answer, dice = "".join(parts), random.Random(seed)
    cuts = sorted({0, len(answer), *dice.sample(range(len(answer) + 1), k=len(answer) // 3)})
    pieces = [answer[a:b] for a, b in itertools.pairwise(cuts)]

    assert split(pieces) == split([answer]) == split(list(answer))


def test_text_after_a_tool_call_retracts_nothing() -> None:
    splitter = ThoughtSplitter()
    said = [*splitter.read("Let me look"), *splitter.settle(), *splitter.read("a</think>b")]

    assert said == ["Let me look", "a</think>b"]


@pytest.mark.parametrize("part", ["</think>", "<", "a </think> b", "<think>", "`</think>`", "\n"])
def test_a_text_of_nothing_but_tags_is_read_once(part: str) -> None:
    splitter = ThoughtSplitter()
    for _ in range(20_000):
        splitter.read(part)
        assert len(splitter._held) <= 1_000
