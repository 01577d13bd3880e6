"""The answers of a drafter: a draft in any usual wrapper, and what the model says is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypedDict

from chat_service.llm.text import read_objects
from chat_service.llm.tool_calls.argument_repair import strip_comments
from shared.json import json_schema
from shared.sandbox.failure import JobFailed

if TYPE_CHECKING:  # a sandbox's process imports this module, and needs no service around it
    from shared.validation.check_runner import CheckRunner

_FIELDS: Final = frozenset({"display_name", "description", "definition"})
_ISSUES: Final = "issues"
_DRAFT: Final = "draft"
_ANSWER: Final = frozenset({_DRAFT, _ISSUES})
_MOST_NESTED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftAnswer:
    """`draft` is None if the model wrote none and says why in `issues`."""

    draft: dict[str, Any] | None
    issues: tuple[str, ...] = ()


class AnswerForm(TypedDict):
    """A DraftAnswer as JSON."""

    draft: dict[str, Any] | None
    issues: list[str]


async def find_drafts(checks: "CheckRunner", text: str, *, workspace: str) -> list[DraftAnswer]:
    """Returns what `read_drafts` does, without holding the loop. Raises ServiceUnavailable.

    There is no answer in a text that takes too long to read.
    """
    try:
        found = await checks.do(list_drafts, text, workspace=workspace)
    except JobFailed:
        return []
    return [DraftAnswer(draft=one["draft"], issues=tuple(one["issues"])) for one in found]


def list_drafts(text: str) -> list[AnswerForm]:
    """Returns the answers of `read_drafts` as JSON."""
    json_schema.spend_quick(len(text))
    return [{"draft": one.draft, "issues": list(one.issues)} for one in read_drafts(text)]


def read_drafts(text: str) -> list[DraftAnswer]:
    """Returns the answers in a text, in order. Comments and commas too many are left out."""
    found, plain = read_objects(text), strip_comments(text)
    if plain != text and len(more := read_objects(plain)) > len(found):
        found = more
    return [answer for one in found if (answer := _read(one)) is not None]


def _read(found: Mapping[str, Any]) -> DraftAnswer | None:
    if not (found and set(found) <= _ANSWER):
        return DraftAnswer(draft=_unwrap(found))
    issues, draft = _texts(found.get(_ISSUES)), found.get(_DRAFT)
    if isinstance(draft, Mapping) and draft:
        return DraftAnswer(draft=_unwrap(draft), issues=issues)
    return DraftAnswer(draft=None, issues=issues) if issues else None


def _unwrap(found: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Returns the draft in an object that has nothing else, such as {"automation": …}."""
    values = list(found.values())
    inner = values[0] if len(values) == 1 and not _FIELDS & set(found) else None
    if isinstance(inner, Mapping) and depth < _MOST_NESTED:
        return _unwrap(inner, depth + 1)
    return _named(found)


def _named(found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the draft with its display name, which is the definition's name too."""
    definition = found.get("definition")
    name = definition.get("name") if isinstance(definition, Mapping) else None
    if isinstance(name, str) and name and not found.get("display_name"):
        return {**found, "display_name": name}
    return dict(found)


def _texts(found: Any) -> tuple[str, ...]:
    items = found if isinstance(found, list) else [found]
    return tuple(str(item) for item in items if item)
