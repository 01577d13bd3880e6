"""Tasks that ask for the web without a tool that reads it."""

from typing import Any

import pytest

from chat_service.tools.automations.warnings.web_access import find_missing_web_tools
from tests.support.oracles.growth import LINEAR, growth


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


@pytest.mark.parametrize(
    "prompt",
    [
        "summarise the news",
        "Summarize the news for me every morning.",
        "Summarise {{ inputs.count }} news about {{ inputs.topic }}.",
        "Send me the headlines.",
        "Give me the weather in {{ inputs.city }}.",
        "Tell me the weather in Oslo and whether I need an umbrella.",
        "Report tomorrow's forecast for Lyon.",
        "Check the bitcoin price and tell me if it fell.",
        "Track the price of the Pixel 9.",
        "Compare flight prices from Paris to Rome.",
        "Look up the exchange rate of the euro.",
        "List yesterday's football results.",
        "Tell me the NBA scores.",
        "Send me the stock market summary.",
        "Watch their website for changes.",
        "Check the status page of Acme.",
        "Read the RSS feed and pick three items.",
        "Monitor the page for new entries.",
        "Write a short summary of today's news.",
        "Prepare a digest of the headlines about energy.",
        "Check whether concert tickets are on sale.",
        "Alert me when the air quality in Delhi is poor.",
        "Gather job openings for gardeners in Bern.",
        "Get me the traffic on the A7.",
        "Notify me if there are train delays.",
        "Summarise Hacker News.",
        "Recap the markets.",
        "Find the gas price near Utrecht.",
        "Collect the trending repositories.",
        "Email me a brief overview of the weather.",
    ],
)
def test_a_task_that_wants_what_changes_with_time_is_warned_of(prompt: str) -> None:
    [said] = find_missing_web_tools([step(prompt)])
    assert said.startswith("The step s needs the web (“")
    assert not list(find_missing_web_tools([step(prompt, "fetch_url")]))


@pytest.mark.parametrize(
    "prompt",
    [
        "Remind me to check the weather.",
        "Remind the team to read the news before the stand-up.",
        "Write a poem about the news.",
        "Tell me a joke about the stock market.",
        "Write three invented headlines for a quiz.",
        "Summarise the news article below.",
        "Summarise the news from {{ inputs.text }}.",
        "Ask me how the weather was.",
        "Give me a motivational quote.",
        "List three ideas for dinner.",
        "Write a newsletter for our customers.",
        "Say good morning and wish us good weather.",
        "Compute 3 % of {{ inputs.price }}.",
        "Send me the meeting agenda.",
        "Check the invoice total against {{ inputs.price }}.",
        "Tell me a story about a train.",
        "Give me a workout plan for today.",
        "Write a page about our history.",
        "Report how many days are left until {{ inputs.date }}.",
        "Summarise {{ steps.read.output }} in one page.",
        "Suggest a price for the bike in {{ inputs.ad }}.",
        "Draft a status update for the team.",
        "List the steps to build a website.",
        "Review the code in {{ inputs.diff }}.",
        "Tell us what to do when the site manager is away.",
        "Translate the news into French: {{ inputs.text }}",
        "Send me a reminder to buy tickets.",
        "Write a headline for {{ inputs.story }}.",
        "Give me a riddle with a temperature in it.",
        "Tell me which day it is.",
    ],
)
def test_a_task_that_needs_nothing_from_outside_is_not_warned_of(prompt: str) -> None:
    assert not list(find_missing_web_tools([step(prompt)]))


@pytest.mark.parametrize(
    "words", ["summarise the ", "give me a summary of ", "tell me if the x ", "news "]
)
def test_the_time_of_the_search_for_nouns_does_not_grow_faster_than_the_text(words: str) -> None:
    assert growth(lambda size: list(find_missing_web_tools([step(words * size)])), 500) < LINEAR
