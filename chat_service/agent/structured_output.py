"""The answer of a task that has an output schema."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from chat_service.llm.text import read_objects
from shared.json import canonical_json, json_schema
from shared.sandbox.failure import JobFailed

if TYPE_CHECKING:  # a sandbox's process imports this module, and needs no service around it
    from shared.validation.check_runner import CheckRunner

# Of reading so many characters of an answer, in the units of json_schema.
_TEXT_COST: Final = 8


class AnswerJob(TypedDict):
    """An answer, and the schema that its object is to satisfy."""

    text: str
    schema: Mapping[str, Any]


async def find_output(
    checks: "CheckRunner", text: str, schema: Mapping[str, Any], *, workspace: str
) -> dict[str, Any] | list[str]:
    """Returns what `read_output` does, without holding the loop. Raises ServiceUnavailable."""
    job: AnswerJob = {"text": text, "schema": schema}
    try:
        return await checks.do(read_output, job, workspace=workspace)
    except JobFailed:
        return ["it takes too long to apply the schema to an answer of this size"]


def read_output(job: AnswerJob) -> dict[str, Any] | list[str]:
    """Returns the last JSON object of an answer that satisfies the schema.

    Returns the faults of the last object if none does. Applying the schema to all of them costs
    no more than applying it to one may.
    """
    json_schema.spend_quick(len(job["text"]) // _TEXT_COST)
    with json_schema.shared_cost():
        return _read_output(job["text"], job["schema"])


def _read_output(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | list[str]:
    found = read_objects(text)
    faults = ["the answer is not a JSON object"]
    for one in found[::-1]:
        wrong = _find_faults(one, schema)
        if not wrong:
            return one
        if one is found[-1]:
            faults = wrong
    return faults


def _find_faults(found: dict[str, Any], schema: Mapping[str, Any]) -> list[str]:
    try:
        # messages between the services can't carry other values
        canonical_json.normalise(found)
    except canonical_json.NotCanonical as exc:
        return [str(exc)]
    faults = json_schema.find_faults(schema, found)
    return [f"{path}: {what}" if path else str(what) for path, what in faults]
