"""Tasks that ask for the web without a tool that reads it."""

from typing import Any

import pytest

from chat_service.tools.automations.warnings.web_access import find_missing_web_tools


def step(prompt: str, *tools: str, id: str = "s") -> dict[str, Any]:
    return {
        "step_id": id, "action": "agent_task", "config": {"prompt": prompt, "tools": list(tools)}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Search the web for tram strikes.", "Search the web"),
        ("Then browse the internet", "browse the internet"),
        ("Search for cheap flights on the web.", "Search for cheap flights on the web"),
        ("Use a web search to find it", "Use a web search"),
        ("Read https://example.com/feed and sum it up", "Read https://example.com/feed"),
        ("Summarise what\nhttps://example.com says", "Summarise what https://example.com"),
        ("Get the latest tech news.", "Get the latest tech news"),
        ("Fetch the current weather in Oslo.", "Fetch the current weather"),
        ("Check the current exchange rate", "Check the current exchange rate"),
    ],
)
def test_a_task_that_asks_for_the_web_is_warned_of(prompt: str, words: str) -> None:
    said = f"The step s needs the web (“{words}”), and has no tool that reads it."
    for tools in ((), ("now",)):
        assert list(find_missing_web_tools([step(prompt, *tools)])) == [said]
    assert not list(find_missing_web_tools([step(prompt, "fetch_url")]))
    assert not list(find_missing_web_tools([step(prompt, "crm_read")]))


@pytest.mark.parametrize(
    "prompt",
    [
        "Remind me to water the plants.",
        "Write a haiku about the web.",
        "Search the notes for open questions.",
        "Write a page for our website.",
        "End with a link to https://example.com.",
        "Say good morning. More at https://example.com.",
        "Tell a joke about the weather.",
        "Write what is new in the current sprint.",
        "Check the list {{ inputs.list }} for https",
        "Suche im Internet nach Zügen.",
    ],
)
def test_a_task_that_only_speaks_of_it_is_not(prompt: str) -> None:
    assert not list(find_missing_web_tools([step(prompt)]))


def test_a_task_that_reads_what_another_step_fetched_is_not() -> None:
    fetch = step("Read https://example.com", "fetch_url", id="fetch")
    told = step("Get the latest news from {{ steps.fetch.output }}")
    assert not list(find_missing_web_tools([fetch, told]))
    assert list(find_missing_web_tools([told]))


def test_the_time_does_not_grow_faster_than_the_text() -> None:
    assert not list(find_missing_web_tools([step("search " * 4_000)]))
