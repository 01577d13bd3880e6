"""The names of what takes results: an inbox, a thread, or a destination of a workspace."""

from typing import Final

from shared import errors, resources

# The inbox of whom the run acts for.
INBOX: Final = "inbox"
# What a drafter and a person write for the conversation that they are in. No saved plan has it.
THREAD: Final = "thread"


def is_thread(name: str) -> bool:
    """Says whether a name is `workspaces/{w}/threads/{t}`."""
    return _is_of(resources.THREAD, name)


def is_destination(name: str) -> bool:
    """Says whether a name is `workspaces/{w}/destinations/{d}`."""
    return _is_of(resources.DESTINATION, name)


def _is_of(pattern: resources.Pattern, name: str) -> bool:
    try:
        pattern.parse(name)
    except errors.ResourceNotFound:
        return False
    return True
