"""A title is one plain line, whatever a model wraps it in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.flows.title_text import LONGEST, read_title
from shared.text.invisible_characters import name_fault

TITLE = "News from Paris"


@pytest.mark.parametrize(
    "said",
    [
        TITLE,
        f'"{TITLE}"\n',
        f"«{TITLE}»",
        f"**{TITLE}**",
        f"# {TITLE}",
        f"- *{TITLE}*",
        f"1. `{TITLE}`",
        f"> __{TITLE}__",
        f"Title: {TITLE}",
        f"**Title:** {TITLE}",
        f"**Title: {TITLE}**",
        f'### **Title**: "{TITLE}"',
        f"**Title:**\n{TITLE}",
        f"“Titre : {TITLE}”",
        f"Here is a short title for the chat:\n\n{TITLE}",
        f"Sure! Here's a title:\n**{TITLE}**",
        f"{TITLE}\n\nThis title says what the person wants.",
        f"Title: {TITLE}\nReason: it is short.",
        "News\nfrom Paris",
        "News\u2028from\x85Paris",
        f"<title>{TITLE}</title>",
        "<b>News</b> from <i>Paris</i>",
        f"<|im_start|>{TITLE}<|im_end|>",
        f"```\n{TITLE}\n```",
        f"[{TITLE}](https://example.org/a)",
        f'{{"title": "{TITLE}"}}',
        f'{{"reason": "short", "title": "{TITLE}"}}',
        f'```json\n{{"title": "{TITLE}"}}\n```',
        f'Here it is: {{"title": "**{TITLE}**"}}',
        f'{{"text": "{TITLE}"}}',
        f'["{TITLE}"]',
        f'[{{"title": "{TITLE}"}}]',
        '"News" from Paris',
        "News from \x07Paris",
        "News\u200b from\u202e \U000e0041Paris",
    ],
)
def test_the_title_is_taken_out(said: str) -> None:
    assert read_title(said) == TITLE


@pytest.mark.parametrize(
    "said",
    ["It''s news", "5 * 3 and 2 * 4", "snake_case names", "[Draft] of a plan", "Q&A <3", "a < b"],
)
def test_what_only_looks_like_markup_stays(said: str) -> None:
    assert read_title(said) == said


@pytest.mark.parametrize(
    "said", ["", "  ", '""', "**", "<b></b>", "Title:", "{}", '{"title": "Ne', '{"a": 1}', "```"]
)
def test_nothing_is_left_of_nothing(said: str) -> None:
    assert read_title(said) == ""


PARTS = ("a", " ", ":", "title", "}", "\u2029", "\u202e")
MARKS = ("*", "**", "_", "`", "```", "#", ">", "-", "\n", '"', "«", "<", "/b>", "[", "](", ")", "{")


@settings(max_examples=50)
@given(st.lists(st.sampled_from([*MARKS, *PARTS]), max_size=20))
def test_a_title_is_one_short_line(parts: list[str]) -> None:
    title = read_title("".join(parts))

    assert len(title) <= LONGEST
    assert title == title.strip()
    assert len(title.splitlines()) <= 1
    assert not set('"«') & set(title)
    assert name_fault(title) is None


def test_a_long_title_is_cut() -> None:
    assert read_title("long " * 100).endswith("…")
