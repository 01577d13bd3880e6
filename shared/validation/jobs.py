"""Checks of what people and models write as functions from JSON to JSON."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict

from shared.json import json_schema
from shared.registries.catalogue_form import load_catalogue
from shared.validation.check import check


class SchemaJob(TypedDict):
    """A schema to apply to a value."""

    schema: Mapping[str, Any]
    value: Any


class DefinitionJob(TypedDict):
    """A definition or the automation that has one, and a catalogue as `dump_catalogue` has it."""

    create: Mapping[str, Any]
    catalogue: Mapping[str, Any]


def find_faults(job: SchemaJob) -> list[list[str]]:
    """Returns the faults of json_schema.find_faults: a path and what is wrong there."""
    return [list(fault) for fault in json_schema.find_faults(job["schema"], job["value"])]


def find_problem(schema: Mapping[str, Any]) -> str | None:
    """Returns what json_schema.find_problem says."""
    return json_schema.find_problem(schema)


def check_definition(job: DefinitionJob) -> list[list[str]]:
    """Returns the field, the reason and the message of each violation."""
    found = check(job["create"], load_catalogue(job["catalogue"]))
    return [[one.field, one.reason, one.message] for one in found]


JOBS: Final[Mapping[str, Callable[[Any], Any]]] = {
    job.__name__: job for job in (find_faults, find_problem, check_definition)
}
