"""A person's name for an automation → the automation."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from chat_service.llm.text import one_line
from chat_service.runtime.ports import AutomationView
from chat_service.runtime.run_context import AgentRun
from chat_service.tools.automations.list_automations import describe_triggers
from chat_service.tools.results import refuse_argument
from chat_service.tools.string_tool import Argument
from shared import errors, resources

MAX_SEARCHED: Final = 1_000
SHOWN: Final = 10
AUTOMATION: Final = Argument(
    name="automation", description="what the person calls it, or its resource name", most=300
)
# words that do not identify an automation
_FILLERS: Final = frozenset({"a", "an", "the", "my", "our", "automation", "please"})


async def find_automation(run: AgentRun, called: str) -> AutomationView:
    """Returns the automation with its payload. Raises ToolStopped unless exactly one matches.

    Matches resource names always, and display names among the newest MAX_SEARCHED.
    """
    if (named := await _named(run, called)) is not None:
        return named
    context, automations = run.context.runtime, run.deps.automations
    found, more = await run.deps.retry.peer.call(
        lambda: automations.list(workspace=context.workspace, user=context.user, limit=MAX_SEARCHED)
    )
    return await _get(run, _only(called, found, more).name)


async def _named(run: AgentRun, called: str) -> AutomationView | None:
    if not resources.AUTOMATION.match(called, workspace=run.context.runtime.workspace):
        return None
    try:
        found = await _get(run, called)
    except errors.RotaError as error:
        if error.code not in (errors.Code.NOT_FOUND, errors.Code.INVALID_ARGUMENT):
            raise
        return None  # no resource name; it may be a display name
    return None if found.state == "archived" else found


async def _get(run: AgentRun, name: str) -> AutomationView:
    context, automations = run.context.runtime, run.deps.automations
    return await run.deps.retry.peer.call(
        lambda: automations.get(workspace=context.workspace, user=context.user, name=name)
    )


def _only(called: str, found: Sequence[AutomationView], more: bool) -> AutomationView:
    meant = _meant(called, found)
    if len(meant) == 1:
        return meant[0]
    if meant:
        several = f"{called!r} may be any of these, so ask which is meant: {_tell_apart(meant)}"
        raise refuse_argument("automation", several)
    there = _names(found) if found else "there are none"
    those = f"the newest {len(found):,}" if more else "those there are"
    nothing = f"no automation is called {called!r}; {those}: {there}"
    raise refuse_argument("automation", nothing)


def _meant(called: str, found: Sequence[AutomationView]) -> list[AutomationView]:
    """Matches the resource name, else the exact display name, else all its words, else some."""
    if named := [one for one in found if called in (one.name, one.name.rpartition("/")[2])]:
        return named
    if same := [one for one in found if _plain(one.display_name) == _plain(called)]:
        return same
    words = _words(called)  # none in a name of signs only
    if words and (same := [one for one in found if _words(one.display_name) == words]):
        return same
    telling = set(words) - _FILLERS
    return [one for one in found if telling and telling <= set(_words(one.display_name))]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", _plain(text))


def _tell_apart(found: Sequence[AutomationView]) -> str:
    """Returns each with its schedule and state, and its resource name at the end."""
    shown = [
        f"“{one_line(one.display_name, 80)}” ({one_line(describe_triggers(one.triggers), 120)}, "
        f"{one.state}; {one.name})"
        for one in found[:SHOWN]
    ]
    more = len(found) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _names(found: Sequence[AutomationView]) -> str:
    shown = [f"“{one_line(one.display_name, 80)}” ({one.name})" for one in found[:SHOWN]]
    more = len(found) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
