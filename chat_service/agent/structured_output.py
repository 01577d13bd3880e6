"""The answer of a task that has an output schema."""

from collections.abc import Mapping
from typing import Any

from chat_service.llm.text import read_object
from shared import canonical_json, json_schema


def read_output(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | list[str]:
    """Returns the JSON object in an answer, or its faults."""
    found = read_object(text)
    if found is None:
        return ["the answer is not a JSON object"]
    try:
        # messages between the services can't carry other values
        canonical_json.normalise(found)
    except canonical_json.NotCanonical as exc:
        return [str(exc)]
    faults = json_schema.find_faults(schema, found)
    return [f"{path}: {what}" if path else what for path, what in faults] or found
