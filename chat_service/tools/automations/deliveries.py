"""Where an automation's results go: what a drafter may write, and what a card names."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from chat_service.llm.text import one_line
from chat_service.runtime.ports import DestinationView
from chat_service.runtime.run_context import AgentRun
from shared import resources
from shared.definition.destination_names import INBOX, THREAD, is_destination, is_thread

DELIVER: Final = "deliver"
UNTITLED: Final = "Untitled thread"
HERE: Final = "this conversation"
_OF_AUTHOR: Final = "the inbox of the person it runs for"
_OF_OTHERS: Final = "a personal destination of another member"
_UNKNOWN: Final = "a destination that is gone, or another member's own"
_SHOWN: Final = 120  # characters of a name
# Destinations that a drafter is told of, and that a list shows.
MAX_SHOWN: Final = 100

_WORD: Final = re.compile(r"\w+")

Json = Mapping[str, Any]


def thread_of(turn_name: str) -> str:
    """Returns the name of a turn's thread; empty for a name of another kind."""
    parts = resources.TURN.match(turn_name)
    return resources.THREAD.format(**parts) if parts else ""


async def read_destinations(run: AgentRun) -> Sequence[DestinationView]:
    """Returns the destinations that the person of a run may use."""
    context, automations = run.context.runtime, run.deps.automations
    return await run.deps.retry.peer.call(
        lambda: automations.list_destinations(workspace=context.workspace, user=context.user)
    )


async def find_destinations(run: AgentRun, payload: Json) -> Sequence[DestinationView]:
    """Returns those of a payload's destinations that the person of a run may see."""
    context, automations = run.context.runtime, run.deps.automations
    names = list_workspace_destinations(payload)
    if not names:
        return ()
    return await run.deps.retry.peer.call(
        lambda: automations.find_destinations(
            workspace=context.workspace, user=context.user, names=names
        )
    )


def choose_destinations(found: Sequence[DestinationView], asked: str) -> Sequence[DestinationView]:
    """Returns MAX_SHOWN destinations at most: of more those that the words asked for name first."""
    words = set(_WORD.findall(asked.casefold()))

    def is_unnamed(one: DestinationView) -> bool:
        return words.isdisjoint([one.kind, *_WORD.findall(one.display_name.casefold())])

    return found if len(found) <= MAX_SHOWN else sorted(found, key=is_unnamed)[:MAX_SHOWN]


def name_thread(draft: Json, thread: str) -> dict[str, Any]:
    """Returns a draft in which the thread's name stands in place of the word `thread`."""
    named = deepcopy(dict(draft))
    for step in list_deliver_steps(named):
        to = [thread if one == THREAD and thread else one for one in step["config"]["to"]]
        step["config"]["to"] = [one for at, one in enumerate(to) if one not in to[:at]]
    return named


def list_deliver_steps(payload: Json) -> list[dict[str, Any]]:
    """Returns the steps that deliver, those after a failure too, if they are written as such."""
    return [step for step in _steps(payload) if _delivers(step)]


def list_payload_destinations(payload: Json) -> list[str]:
    """Returns the names of the destinations that a payload delivers to, each once."""
    return list(dict.fromkeys(to for step in list_deliver_steps(payload) for to in _names(step)))


def list_threads(payload: Json) -> list[str]:
    return [name for name in list_payload_destinations(payload) if is_thread(name)]


def list_workspace_destinations(payload: Json) -> list[str]:
    return [name for name in list_payload_destinations(payload) if is_destination(name)]


def describe_deliveries(
    payload: Json,
    destinations: Iterable[DestinationView],
    *,
    thread: str,
    titles: Mapping[str, str],
    is_accepted: bool = True,
) -> list[dict[str, str]]:
    """Returns what a card names of each destination of each step: its kind, name and host.

    `thread` is the one that the card is in, and `titles` are those of other threads by name. The
    kind of a destination that is not among `destinations` is empty. Where automation_service
    accepted the payload it is another member's, which the person may not see.
    """
    known = {one.name: one for one in destinations}
    unseen = _OF_OTHERS if is_accepted else _UNKNOWN
    return [
        {"step_id": str(step.get("step_id", "")), **_describe(name, known, thread, titles, unseen)}
        for step in list_deliver_steps(payload)
        for name in _names(step)
    ]


async def describe_difference(
    run: AgentRun, difference: Sequence[Json], before: Json, after: Json
) -> list[dict[str, Any]]:
    """Returns a difference whose changes of destinations name those `added` and `removed`.

    Each has its `destination`, kind, name and host, as a card does of what it delivers to.
    """
    names = [*list_payload_destinations(before), *list_payload_destinations(after)]
    described = await describe_names(run, names)
    return [{**one, **_moved(one, described)} for one in difference]


async def describe_names(run: AgentRun, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Returns what a card says of each destination, by its name."""
    step = {"action": DELIVER, "config": {"to": list(names)}}
    payload = {"definition": {"plan": [step]}}
    titles = await run.deps.thread_titles(run.context.runtime.workspace, list_threads(payload))
    here = thread_of(run.context.runtime.turn_name)
    known = {one.name: one for one in await find_destinations(run, payload)}
    return {
        name: _describe(name, known, here, titles, _UNKNOWN)
        for name in list_payload_destinations(payload)
    }


def _moved(change: Json, described: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    path = str(change["path"])
    was, becomes = (_names_in(change.get(side), path) for side in ("before", "after"))
    moved = {
        "added": [described[name] for name in becomes if name not in was],
        "removed": [described[name] for name in was if name not in becomes],
    }
    return {key: found for key, found in moved.items() if found}


def _names_in(value: Any, path: str) -> list[str]:
    """Returns the destinations in a changed value: those of a step, of steps, or of one's `to`."""
    if path.endswith(".config.to"):
        return [name for name in value or () if isinstance(name, str)]
    steps = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(name for step in steps if _delivers(step) for name in _names(step)))


def format_destinations(found: Sequence[DestinationView], kept: Iterable[str] = ()) -> str:
    """Returns a line for each destination that a drafter may write.

    `kept` are those that the automation has already, which may be threads.
    """
    known = {one.name for one in found}
    lines = [
        f"- `{THREAD}`: the conversation in which this was asked for",
        f"- `{INBOX}`: the person's inbox",
        *(f"- `{one.name}`: {_in_words(one)}" for one in found),
        *(
            f"- `{name}`: {'a conversation' if is_thread(name) else 'a place'} that the "
            "automation delivers to already"
            for name in dict.fromkeys(kept)
            if name not in known and name != INBOX
        ),
    ]
    return "\n".join(lines)


def names_to_write(found: Sequence[DestinationView], kept: Iterable[str] = ()) -> list[str]:
    """Returns the names that a drafter may write in `to`."""
    return list(dict.fromkeys([THREAD, INBOX, *(one.name for one in found), *kept]))


def _in_words(one: DestinationView) -> str:
    name = one_line(one.display_name, _SHOWN) or one.name.rpartition("/")[2]
    told = [one.kind, one.host, "the person's own" if one.is_own else "shared by the workspace"]
    if one.state == "unverified":
        told.append("not verified yet")
    elif one.state == "paused":
        told.append("paused: nothing is sent to it now")
    return f"“{name}” ({', '.join(filter(None, told))})"


def _describe(
    name: str,
    known: Mapping[str, DestinationView],
    thread: str,
    titles: Mapping[str, str],
    unseen: str,
) -> dict[str, str]:
    if name == INBOX:
        return {"destination": name, "kind": INBOX, "display_name": _OF_AUTHOR}
    if name == thread:
        return {"destination": name, "kind": THREAD, "display_name": HERE}
    if is_thread(name):
        title = titles.get(name, "") or UNTITLED
        return {"destination": name, "kind": THREAD, "display_name": title}
    found = known.get(name)
    if found is None:
        return {"destination": name, "kind": "", "display_name": unseen}
    host = {"host": found.host} if found.host else {}
    shown = one_line(found.display_name, _SHOWN) or name.rpartition("/")[2]
    if found.is_others:
        shown = f"{shown}, {_OF_OTHERS}"
    return {"destination": name, "kind": found.kind, "display_name": shown, **host}


def _steps(payload: Json) -> Iterator[Any]:
    definition = payload.get("definition")
    if not isinstance(definition, Mapping):
        return
    execution = definition.get("execution")
    after = execution.get("on_failure") if isinstance(execution, Mapping) else None
    for steps in (definition.get("plan"), after):
        if isinstance(steps, list):
            yield from steps


def _delivers(step: Any) -> bool:
    if not isinstance(step, Mapping) or step.get("action") != DELIVER:
        return False
    config = step.get("config")
    return isinstance(config, Mapping) and isinstance(config.get("to"), list)


def _names(step: Json) -> list[str]:
    return [name for name in step["config"]["to"] if isinstance(name, str)]
