"""A model's answer → the title in it: one plain line."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from chat_service.llm.text import one_line, read_objects
from shared.db.storable_text import clean
from shared.text.invisible_characters import clean_name

LONGEST: Final = 100
# longer answers are no title; the rest of one is not read
_MOST_READ: Final = 4_000
_MOST_OF_LINE: Final = 500
# marks within marks
_MOST_NESTED: Final = 4
_DOUBLE_QUOTES: Final = str.maketrans("", "", '"“”„‟«»「」『』')
_QUOTES: Final = "'`´‘’‚‛‹›"
_TITLE_KEYS: Final = ("title", "display_name", "name", "chat_title", "thread_title")
_LABEL: Final = re.compile(
    r"(?:(?:the|a|my|suggested|chat|conversation|thread|final|here(?:'s| is)(?: (?:a|the|your))?"
    r"|suggested|possible|short)\s+){0,4}(?:title|titel|titre|título|titolo|answer|name)"
    r"(?:\s+(?:for|of)\b[^:\n]{0,60})?\s*[:：]\s*",
    re.I,
)
_PREAMBLE: Final = re.compile(r"(?:sure|certainly|of course|okay|ok|here)\b[^\n]{0,80}[:!.]$", re.I)
_TAG: Final = re.compile(r"</?[A-Za-z|][^<>\n]{0,80}>")
_LINK: Final = re.compile(r"!?\[([^\[\]\n]{0,200})\]\([^()\n]{0,500}\)")
_LINE_MARKS: Final = re.compile(r"^\s*(?:#{1,6}\s+|>\s*|[-*+•]\s+|\d{1,2}[.)]\s+)+")
_EMPHASIS: Final = re.compile(
    r"(?<![\w*_~`])(\*{1,3}|_{1,3}|~~|`{1,3})(?=\S)([^\n]{1,300}?)(?<=\S)\1(?![\w*_~`])"
)
_RULE: Final = re.compile(r"^[\s*_=~`#-]*$")
_FENCE: Final = re.compile(r"^\s*(?:```|~~~)\w*\s*$", re.M)
_CONTROL: Final = re.compile(r"[\x01-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f]")


def read_title(answer: str) -> str:
    """Returns the title as a plain name of at most 100 characters; empty if nothing is left.

    It has no tags, label, quotation marks, JSON, Markdown, line breaks or invisible characters.
    """
    text = clean(answer)[:_MOST_READ].strip()
    told = _read_json(_FENCE.sub("", text).strip())
    lines = (text if told is None else told).splitlines()
    return clean_name(one_line(_plain(" ".join(_choose_lines(lines))), LONGEST))


def _read_json(text: str) -> str | None:
    """Returns the title in an answer of JSON; None for an answer of anything else."""
    if not text.startswith(("{", "[")):
        objects = (next(_texts_of(one), "") for one in read_objects(text)[::-1])
        return next(filter(None, objects), None)
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        if text.startswith("[") and not text.startswith(("[{", '["')):
            return None
        told = read_objects(text)[-1:]
    if isinstance(told, list):
        told = told[0] if told else ""
    if isinstance(told, Mapping):
        told = next(_texts_of(told), "")
    return told if isinstance(told, str) else ""


def _texts_of(told: Mapping[str, Any]) -> Iterator[str]:
    """Yields the texts of an object: those that are named as a title first."""
    named = [told[key] for key in told if str(key).lower() in _TITLE_KEYS]
    yield from (text for text in named if isinstance(text, str))
    if len(told) == 1:
        yield from (text for text in told.values() if isinstance(text, str))


def _choose_lines(lines: list[str]) -> list[str]:
    """Returns the lines of the title: the rest of a labelled line, or the first paragraph."""
    found: list[str] = []
    for line in lines:
        said = _plain(line)
        if _RULE.match(said) or (not found and _PREAMBLE.match(said)):
            if found:
                break
            continue
        label = _LABEL.match(said)
        if label and said[label.end() :].strip():
            return [said[label.end() :]]
        if not label:
            found.append(said)
    return found


def _plain(line: str) -> str:
    """Returns a line without its markup and its quotation marks."""
    text = _CONTROL.sub(" ", line[:_MOST_OF_LINE]).translate(_DOUBLE_QUOTES)
    for _ in range(_MOST_NESTED):
        text = _LINE_MARKS.sub("", _TAG.sub("", _LINK.sub(r"\1", text)))
        text = _EMPHASIS.sub(r"\2", text).strip().strip(_QUOTES).strip()
    return text
