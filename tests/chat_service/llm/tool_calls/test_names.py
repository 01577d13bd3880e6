"""The names of tools as models write them."""

import pytest

from chat_service.llm.tool_calls.names import find_tool

OFFERED = ("create_automation", "list_automations", "mail_send", "Mail-Send", "now")


@pytest.mark.parametrize(
    "sent",
    [
        "create_automation",
        "functions.create_automation",
        "functions::create_automation",
        "functions.create_automation:0",
        "default_api:create_automation",
        "default_api.create_automation",
        "tools/create_automation",
        "to=functions.create_automation",
        "create_automation<|channel|>commentary",
        "create_automation<|channel|>commentary json",
        " Create_Automation ",
        "createAutomation",
        "create-automation",
        "`create_automation`",
        "create_automation()",
    ],
)
def test_a_name_finds_the_tool_that_it_means(sent: str) -> None:
    assert find_tool(sent, OFFERED) == "create_automation"


@pytest.mark.parametrize(
    ("sent", "known_as"),
    [
        ("functions.mail_send", "functions_mail_send"),  # two tools are alike
        ("mail_send", "mail_send"),
        ("Mail-Send", "Mail-Send"),
        ("create", "create"),
        ("gmail.create_automation", "gmail_create_automation"),  # somebody else's tool
        ("functions.", "functions_"),
        ("", "unknown"),
    ],
)
def test_a_name_that_means_no_tool_or_two_finds_none(sent: str, known_as: str) -> None:
    assert find_tool(sent, OFFERED) == known_as
