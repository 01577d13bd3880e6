"""What a person calls an automation → which one it is."""

import re
from collections.abc import Sequence
from typing import Final

from chat_service.agent.outcomes import Invalid, Stopped
from chat_service.agent.ports import KnownAutomation
from chat_service.agent.run import Run
from chat_service.agent.text import one_line
from chat_service.agent.text_tool import Argument

LOOKED_THROUGH: Final = 1_000
SHOWN: Final = 10
AUTOMATION: Final = Argument(
    name="automation", description="what the person calls it, or its resource name", most=300
)
# words that say nothing about which one is meant
_FILLERS: Final = frozenset({"a", "an", "the", "my", "our", "automation", "please"})


async def find(run: Run, called: str) -> KnownAutomation:
    """The one automation that is meant, with its payload. Stops the tool unless it is one."""
    context, automations = run.context, run.desk.automations
    found, _ = await run.desk.patience.peer(
        lambda: automations.list(
            workspace=context.workspace, user=context.user, limit=LOOKED_THROUGH
        )
    )
    chosen = _only(called, found)
    return await run.desk.patience.peer(
        lambda: automations.get(workspace=context.workspace, user=context.user, name=chosen.name)
    )


def _only(called: str, found: Sequence[KnownAutomation]) -> KnownAutomation:
    meant = _meant(called, found)
    if len(meant) == 1:
        return meant[0]
    if meant:
        several = f"{called!r} may be any of these, so ask which is meant: {_names(meant)}"
        raise Stopped(Invalid(issues=[f"automation: {several}"]))
    there = _names(found) if found else "there are none"
    nothing = f"no automation is called {called!r}; those there are: {there}"
    raise Stopped(Invalid(issues=[f"automation: {nothing}"]))


def _meant(called: str, found: Sequence[KnownAutomation]) -> list[KnownAutomation]:
    """By resource name, else by the whole display name, else by words of it."""
    if named := [one for one in found if called in (one.name, one.name.rpartition("/")[2])]:
        return named
    words = _words(called)
    if same := [one for one in found if _words(one.display_name) == words]:
        return same
    telling = set(words) - _FILLERS
    return [one for one in found if telling and telling <= set(_words(one.display_name))]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _names(found: Sequence[KnownAutomation]) -> str:
    shown = [f"“{one_line(one.display_name, 80)}” ({one.name})" for one in found[:SHOWN]]
    more = len(found) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
