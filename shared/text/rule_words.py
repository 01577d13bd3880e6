"""The rules of a field in words: its name, how long a value may be, what a pattern asks for."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_PATTERNS: Final[Mapping[str, str]] = {
    r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$": (
        "must have 1 to 63 characters: lower-case letters, digits, - and _, "
        "with a letter or digit at each end"
    ),
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": (
        "must have 1 to 63 characters: lower-case letters, digits and -, "
        "with a letter or digit at each end"
    ),
    r"^[A-Za-z_][A-Za-z0-9_]{0,63}$": (
        "must have 1 to 64 characters: letters, digits and _, but no digit first"
    ),
    r"^[a-z][a-z0-9_.]{0,63}$": (
        "must have 1 to 64 characters: lower-case letters, digits, _ and ., with a letter first"
    ),
    r"^[a-z]{0,20}$": "must have at most 20 characters, all lower-case letters",
    r"^[0-9a-fA-F]{64}$": "must have 64 hexadecimal digits",
    r"^workspaces/[^/]{1,63}/(threads|automations)/[^/]{1,63}$": (
        "must be a name like workspaces/{workspace}/threads/{thread} or "
        "workspaces/{workspace}/automations/{automation}"
    ),
    r"^users/.+$": "must be a name like users/{user}",
    r"^[a-z]{1,20}$": "must have 1 to 20 lower-case letters",
    r"^[A-Za-z0-9-]{1,100}$": "must have 1 to 100 characters: letters, digits and -",
    r"^[A-Za-z0-9_]{1,100}$": "must have 1 to 100 characters: letters, digits and _",
    r"^[\x20-\x7e]{1,2000}$": "must have 1 to 2,000 visible ASCII characters or spaces",
    r"^([a-z_]{1,40}|schema\.[$A-Za-z]{1,40})$": (
        "must be the name of a part of a request, such as stream_options, or of a keyword of "
        "tools' schemas, such as schema.pattern"
    ),
    r"^(inbox|workspaces/[^/]{1,63}/destinations/[^/]{1,63})$": (
        "must be inbox or a name like workspaces/{workspace}/destinations/{destination}"
    ),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "must be a time of day from 00:00 to 23:59, such as 22:00",
    r"^[0-9]{0,20}$": "must be a number of at most 20 digits, such as 123456789012345679",
    r"^[A-Za-z0-9_-]{0,64}$": "must have at most 64 characters: letters, digits, - and _",
    r"^[A-Za-z0-9]{0,64}$": "must have at most 64 letters and digits",
    r"^[A-Za-z0-9_-]{0,25}$": "must have at most 25 characters: letters, digits, - and _",
    r"^[!-~]*$": "must have only visible ASCII characters and no spaces",
}
_IDS: Final = "[^/]{1,63}"
_LONG_ID: Final = "has an id of more than 63 characters"
_NAME: Final = "^workspaces/"
_UPPER: Final = re.compile(r"[A-Z]")
_LONGEST_NAME: Final = 100  # characters of an unknown name that are compared with others


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Returns the field that was likely meant, in camelCase too; empty when none is near."""
    snake = to_snake(name[:_LONGEST_NAME])
    names = list(known)
    plain = {one.replace("_", ""): one for one in names}
    if same := plain.get(snake.replace("_", "")):
        return same
    found = difflib.get_close_matches(snake, names, n=1, cutoff=0.7)
    return found[0] if found else ""


def to_snake(name: str) -> str:
    return _UPPER.sub(lambda found: "_" + found[0].lower(), name)


def pattern_words(pattern: str, value: object = "") -> str:
    """Says what a pattern of ours asks for: `must be a name like workspaces/{workspace}/…`.

    And that an id in a name is too long, if that alone is wrong. A pattern that it does not know
    asks for another form.
    """
    if _IDS in pattern and re.fullmatch(pattern.replace(_IDS, "[^/]+"), str(value)):
        return _LONG_ID
    if (words := _PATTERNS.get(pattern)) is not None:
        return words
    if pattern.startswith(_NAME):
        return f"must be a name like {_name_template(pattern)}"
    return "must have another form"


def name_words(template: str, value: str) -> str:
    """Says what is wrong with a name of another form than `workspaces/{workspace}/…`."""
    if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), value):
        return _LONG_ID
    return f"must be a name like {template}"


def least_words(value: Any, least: int) -> str:
    """Says that a text, list or object is too short."""
    if not value and least == 1:
        return "must not be empty"
    return f"must have at least {_count(value, least)}; has {len(value):,}"


def most_words(value: Any, most: int) -> str:
    """Says that a text, list or object is too long."""
    return f"must have at most {_count(value, most)}; has {len(value):,}"


def _count(value: Any, number: int) -> str:
    nouns: dict[type, str] = {str: "character", bytes: "byte", dict: "key"}
    noun = nouns.get(type(value), "item")
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _name_template(pattern: str) -> str:
    # an id is the part that is no plain word, and is called as what holds it
    parts = re.sub(r"\[[^\]]*\]", "", pattern.strip("^$")).split("/")
    ids = {"deliveries": "delivery", "modelConfigs": "model_config"}
    return "/".join(
        part if part.isalpha() else f"{{{ids.get(above, above.removesuffix('s'))}}}"
        for above, part in zip(["", *parts], parts, strict=False)
    )
