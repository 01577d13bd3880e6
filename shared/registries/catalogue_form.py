"""A catalogue as JSON: what another process of the same code needs to check a definition."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from shared.registries.actions.agent_task import AGENT_TASK
from shared.registries.actions.deliver import DELIVER
from shared.registries.actions.types import ActionContext, ActionDefinition, ActionResult
from shared.registries.capabilities.types import Capability
from shared.registries.catalogue import Catalogue, TaskModel
from shared.registries.triggers.schedule import SCHEDULE
from shared.registries.triggers.types import TriggerDefinition

_ACTIONS: Final = {one.type: one for one in (AGENT_TASK, DELIVER)}
_TRIGGERS: Final = {SCHEDULE.type: SCHEDULE}


class NoForm(ValueError):
    """An entry has a class or a function that no other process can import."""


def dump_catalogue(catalogue: Catalogue) -> dict[str, Any]:
    """Returns a catalogue as JSON. Raises NoForm."""
    models, capabilities = catalogue.models, catalogue.capabilities
    return {
        "actions": {name: _dump_action(one) for name, one in catalogue.actions.items()},
        "triggers": {name: _dump_trigger(one) for name, one in catalogue.triggers.items()},
        "capabilities": None if capabilities is None else list(capabilities),
        "models": None
        if models is None
        else [{**asdict(one), "names": list(one.names)} for one in models],
    }


def load_catalogue(form: Mapping[str, Any]) -> Catalogue:
    """Returns the catalogue of a form. Its actions can't be run, and its capabilities are ids."""
    models, capabilities = form["models"], form["capabilities"]
    return Catalogue(
        actions={name: _load_action(name, one) for name, one in form["actions"].items()},
        triggers={name: _load_trigger(name, one) for name, one in form["triggers"].items()},
        capabilities=None if capabilities is None else {name: _load(name) for name in capabilities},
        models=None
        if models is None
        else [
            TaskModel(names=tuple(m["names"]), priced=m["priced"], auto=m["auto"]) for m in models
        ],
    )


def _dump_action(action: ActionDefinition) -> dict[str, Any] | None:
    if _ACTIONS.get(action.type) is action:
        return None
    return {
        "schema": action.config_schema,
        "model": _name(action.config_model),
        "describe": _name(action.describe_output),
        "gives_output": action.gives_output,
        "needs_output": _name(action.needs_output),
    }


def _load_action(name: str, form: Mapping[str, Any] | None) -> ActionDefinition:
    if form is None:
        return _ACTIONS[name]
    return ActionDefinition(
        type=name,
        name=name,
        description=name,
        config_schema=form["schema"],
        handler=_refuse,
        config_model=_find(form["model"]),
        describe_output=_find(form["describe"]),
        gives_output=form["gives_output"],
        needs_output=_find(form["needs_output"]),
    )


def _dump_trigger(trigger: TriggerDefinition) -> dict[str, Any] | None:
    if _TRIGGERS.get(trigger.type) is trigger:
        return None
    return {"schema": trigger.config_schema, "model": _name(trigger.config_model)}


def _load_trigger(name: str, form: Mapping[str, Any] | None) -> TriggerDefinition:
    if form is None:
        return _TRIGGERS[name]
    return TriggerDefinition(
        type=name,
        description=name,
        config_schema=form["schema"],
        payload_schema={},
        config_model=_find(form["model"]),
    )


def _load(name: str) -> Capability:
    return Capability(id=name, description="", input_schema={}, output_schema={})


def _name(entry: Callable[..., Any] | None) -> str | None:
    """Returns where a class or a function is: `module:name`. Raises NoForm."""
    if entry is None:
        return None
    module, name = getattr(entry, "__module__", ""), getattr(entry, "__qualname__", "")
    place = f"{module}:{name}"
    try:
        found = _find(place)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not entry:
        raise NoForm(place)
    return place


def _find(place: str | None) -> Any:
    if place is None:
        return None
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


async def _refuse(_: dict[str, Any], __: ActionContext) -> ActionResult:
    raise RuntimeError("a catalogue that came as JSON runs no action")
