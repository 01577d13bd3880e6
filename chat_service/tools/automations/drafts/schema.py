"""The JSON Schema of a drafter's answer, built from the catalogue: a draft, or what is missing."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, Final

from chat_service.tools.automations.deliveries import DELIVER
from shared.definition.envelope import AutomationCreate
from shared.registries.catalogue import Catalogue

ROOT: Final = "AutomationCreate"
_DEFINITION: Final = "AutomationDefinition"
_OWN_MODEL: Final = re.compile(r"workspaces/[^/\s\"]+/modelConfigs/[^/\s\"]+")


def envelope_schema() -> dict[str, Any]:
    """Returns the schema of a whole payload; it is the caller's to change."""
    return deepcopy(_envelope())


def automation_schema(
    catalogue: Catalogue,
    models: Collection[str],
    destinations: Sequence[str],
    *,
    needs_trigger: bool,
) -> dict[str, Any]:
    """Returns the schema of a draft.

    Configs are those of the catalogue's triggers and actions. The tools and models that a step
    may name are listed, unless none is known; so are the `destinations`. A draft that
    `needs_trigger` has one at least.
    """
    defs = _definitions()
    defs[_DEFINITION]["required"] = ["triggers", "plan"]
    defs[_DEFINITION]["properties"]["triggers"]["minItems"] = int(needs_trigger)
    root = defs[ROOT]
    root["required"] = ["display_name", "definition"]
    root["properties"]["display_name"] = {"type": "string", "minLength": 1, "maxLength": 200}
    defs["TriggerSpec"] = _variants(
        defs["TriggerSpec"],
        "type",
        {name: found.config_schema for name, found in catalogue.triggers.items()},
        defs,
    )
    steps = {
        name: _with_destinations(found.config_schema, destinations)
        if name == DELIVER
        else found.config_schema
        for name, found in catalogue.actions.items()
    }
    defs["PlanStep"] = _variants(
        defs["PlanStep"],
        "action",
        {name: _with_names(schema, catalogue, models) for name, schema in steps.items()},
        defs,
    )
    return {"$ref": f"#/$defs/{ROOT}", "$defs": defs}


def answer_schema(automation: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema of an answer: a draft or null, and what is missing."""
    return {
        "title": "Draft",
        "type": "object",
        "properties": {
            "draft": {"anyOf": [{"$ref": automation["$ref"]}, {"type": "null"}]},
            "issues": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["draft", "issues"],
        "additionalProperties": False,
        "$defs": automation["$defs"],
    }


def model_names(configured: Iterable[str], asked: str) -> list[str]:
    """Returns the models that a step may name: those configured, and own ones in `asked`."""
    return sorted({*configured, *_OWN_MODEL.findall(asked)})


@cache
def _envelope() -> dict[str, Any]:
    # Pydantic takes some milliseconds to make it.
    return AutomationCreate.model_json_schema(by_alias=True)


def _definitions() -> dict[str, Any]:
    schema = envelope_schema()
    defs: dict[str, Any] = schema.pop("$defs")
    for one in (schema, *defs.values()):
        one.pop("title", None)
        for found in one.get("properties", {}).values():
            found.pop("title", None)
    # of the class, for those who read the code
    schema.pop("description", None)
    defs[_DEFINITION].pop("description", None)
    return {**defs, ROOT: schema}


def _variants(
    block: Mapping[str, Any], key: str, configs: Mapping[str, Any], defs: dict[str, Any]
) -> dict[str, Any]:
    """Returns the schema of a block with one form for each type, and that type's config."""
    found = []
    for name, config in configs.items():
        plain = _without_titles(deepcopy(dict(config)))
        defs |= plain.pop("$defs", {})
        form = deepcopy(dict(block))
        form["properties"] |= {key: {"const": name}, "config": _in_forms(plain)}
        form["required"] = [*form.get("required", ()), "config"]
        found.append(form)
    if not found:
        return dict(block)
    return found[0] if len(found) == 1 else {"anyOf": found}


def _in_forms(config: dict[str, Any]) -> dict[str, Any]:
    """A config of which one of several properties is required, as one whole object for each.

    A grammar may take the alternatives beside `properties` for all that there is.
    """
    forms = config.get("oneOf", ())
    if not forms or not all(form.get("required") for form in forms):
        return config
    named = {key for form in forms for key in form["required"]}
    return {"anyOf": [_of_form(config, form, named) for form in forms]}


def _of_form(
    config: Mapping[str, Any], form: Mapping[str, Any], named: Collection[str]
) -> dict[str, Any]:
    """The whole config of a form, without what others have and what has no meaning in it."""
    own: Sequence[str] = form["required"]
    useless = {key for key, schema in form.get("properties", {}).items() if schema is False}
    properties = {
        key: schema
        for key, schema in config["properties"].items()
        if key in own or key not in useless | set(named)
    }
    required = [*own, *config.get("required", ())]
    shape = {key: found for key, found in config.items() if key not in ("oneOf", "description")}
    return {**shape, "properties": properties, "required": required}


def _with_names(
    schema: Mapping[str, Any], catalogue: Catalogue, models: Collection[str]
) -> dict[str, Any]:
    changed = deepcopy(dict(schema))
    properties = changed.get("properties", {})
    if catalogue.capabilities is not None and "tools" in properties:
        tools = sorted(catalogue.capabilities)
        properties["tools"]["items"] = {"enum": tools} if tools else False
    if models and "model" in properties:
        described = {k: v for k, v in properties["model"].items() if k == "description"}
        properties["model"] = {"enum": [*models, None], **described}
    return changed


def _with_destinations(schema: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    changed = deepcopy(dict(schema))
    changed["properties"]["to"]["items"] = {"enum": list(names)}
    return changed


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    for found in schema.get("properties", {}).values():
        if isinstance(found, dict):
            _without_titles(found)
    return schema
