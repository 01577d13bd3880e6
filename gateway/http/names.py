"""The names of fields in JSON: those of the proto are written; lowerCamelCase is read too."""

import difflib
import re
from functools import lru_cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_UPPER: Final = re.compile(r"[A-Z]")


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
