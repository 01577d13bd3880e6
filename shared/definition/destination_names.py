"""The names of what takes results: an inbox, a thread, or a destination of a workspace."""

from typing import Final

from shared import resources

# The inbox of whom the run acts for.
INBOX: Final = "inbox"
# What a drafter and a person write for the conversation that they are in. No saved plan has it.
THREAD: Final = "thread"


def is_thread(name: str) -> bool:
    """Says whether a name is `workspaces/{w}/threads/{t}`."""
    return resources.THREAD.match(name) is not None


def is_destination(name: str) -> bool:
    """Says whether a name is `workspaces/{w}/destinations/{d}`."""
    return resources.DESTINATION.match(name) is not None


def read_place(value: str) -> str:
    """Reads where a result goes in a filter. Raises ValueError."""
    if value != INBOX and not value.startswith("workspaces/"):
        raise ValueError("must be inbox, or the name of a thread or of a destination")
    return value
