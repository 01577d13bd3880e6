"""The names of fields in JSON: those of the proto are written; lowerCamelCase is read too."""

import difflib
import json
import re
from functools import lru_cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_UPPER: Final = re.compile(r"[A-Z]")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A longer name is cut in its middle.
_LONGEST: Final = 200


@lru_cache(maxsize=1024)
def fields_of(kind: Descriptor) -> dict[str, FieldDescriptor]:
    """Returns the fields by the proto's name and by protobuf's JSON name."""
    by_json = {field.json_name: field for field in kind.fields}
    return by_json | {field.name: field for field in kind.fields}


def nearest(kind: Descriptor, name: str) -> str:
    """Returns the field that was likely meant; empty when none is near."""
    known = [field.name for field in kind.fields]
    found = difflib.get_close_matches(to_snake(name[:100]), known, n=1, cutoff=0.7)
    return found[0] if found else ""


def to_snake(name: str) -> str:
    return _UPPER.sub(lambda found: "_" + found[0].lower(), name)


# A path in JSON: that of what a value is in, and the member or index there; empty for the whole.
# It is written out only where something is wrong.
FieldPath = tuple[Any, ...]
ROOT: Final[FieldPath] = ()


def format_path(path: FieldPath) -> str:
    """Returns `a.b[0]["two words"]`: a name that is no word is a JSON string in brackets."""
    parts: list[str] = []
    while path:
        path, part = path
        parts.append(_format(part))
    return "".join(reversed(parts)).removeprefix(".")


def _format(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    half = _LONGEST // 2
    shown = part if len(part) <= _LONGEST else f"{part[:half]}…{part[-half:]}"
    if _WORD.fullmatch(part):
        return f".{shown}"
    return f"[{json.dumps(shown, ensure_ascii=not shown.isprintable())}]"
