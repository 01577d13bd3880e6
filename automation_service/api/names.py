"""Parsers of the resource names in requests."""

from shared import resources


def automation_of(name: str) -> tuple[str, str]:
    """Returns the ids of the workspace and of the automation."""
    parts = resources.AUTOMATION.parse(name)
    return parts["workspace"], parts["automation"]


def webhook_workspace(name: str) -> str:
    return resources.WEBHOOK.parse(name)["workspace"]
