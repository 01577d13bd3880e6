"""The registries and their stores."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import FrozenInstanceError, replace
from functools import partial
from typing import Any

import pytest

from shared.registries.actions import store as actions
from shared.registries.actions.agent_task import AGENT_TASK
from shared.registries.actions.types import ActionDefinition
from shared.registries.capabilities import store as capabilities
from shared.registries.capabilities.types import Capability
from shared.registries.triggers import store as triggers
from shared.registries.triggers.schedule import SCHEDULE
from shared.registries.triggers.types import TriggerDefinition
from shared.registry import DuplicateEntry, Registry


async def _now(arguments: dict[str, Any]) -> str:
    return "now"


class _Callable:
    async def __call__(self, arguments: dict[str, Any]) -> str:
        return "called"


NOW = Capability(id="now", description="the time", input_schema={}, output_schema={}, handler=_now)

CASES = [
    pytest.param(capabilities.new_registry, NOW, "now", id="capabilities"),
    pytest.param(actions.new_registry, AGENT_TASK, "agent_task", id="actions"),
    pytest.param(triggers.new_registry, SCHEDULE, "schedule", id="triggers"),
]
each_registry = pytest.mark.parametrize(("new_registry", "entry", "key"), CASES)
New = Callable[[], Registry[Any]]


@each_registry
def test_a_registry_is_empty_at_first(new_registry: New, entry: Any, key: str) -> None:
    assert new_registry().all() == {}


@each_registry
def test_what_is_registered_is_found(new_registry: New, entry: Any, key: str) -> None:
    registry = new_registry()
    registry.register(entry)
    assert registry.get(key) is entry
    assert registry.all() == {key: entry}


@each_registry
def test_a_miss_is_none(new_registry: New, entry: Any, key: str) -> None:
    assert new_registry().get(key) is None


@each_registry
def test_another_entry_under_a_taken_id_raises(new_registry: New, entry: Any, key: str) -> None:
    registry = new_registry()
    registry.register(entry)
    with pytest.raises(DuplicateEntry, match=key):
        registry.register(replace(entry, description="something else"))
    assert registry.get(key) is entry


@each_registry
def test_the_same_entry_again_changes_nothing(new_registry: New, entry: Any, key: str) -> None:
    registry = new_registry()
    registry.register(entry)
    registry.register(replace(entry))
    assert registry.all() == {key: entry}


@each_registry
def test_all_is_a_copy(new_registry: New, entry: Any, key: str) -> None:
    registry = new_registry()
    registry.register(entry)
    registry.all().clear()
    assert registry.get(key) is entry


@each_registry
def test_entries_are_frozen_and_slotted(new_registry: New, entry: Any, key: str) -> None:
    with pytest.raises(FrozenInstanceError):
        entry.description = "changed"
    assert not hasattr(entry, "__dict__")


@pytest.mark.parametrize("handler", [_now, _Callable(), partial(_now, {})])
def test_handlers_that_can_be_awaited_are_accepted(handler: Callable[..., Awaitable[Any]]) -> None:
    registry = capabilities.new_registry()
    assert registry.register(replace(NOW, handler=handler)).handler is handler


@pytest.mark.parametrize("handler", [lambda arguments: arguments, print, "handler"])
def test_handlers_that_cannot_be_awaited_are_refused(handler: Any) -> None:
    with pytest.raises(TypeError, match="async"):
        capabilities.new_registry().register(replace(NOW, handler=handler))
    with pytest.raises(TypeError, match="async"):
        actions.new_registry().register(replace(AGENT_TASK, handler=handler))


def test_a_capability_that_is_only_known_of_needs_no_handler() -> None:
    assert capabilities.new_registry().register(replace(NOW, handler=None)).handler is None


async def test_a_registered_handler_is_awaited() -> None:
    registry = capabilities.new_registry()
    handler = registry.register(NOW).handler
    assert handler is not None
    assert await handler({}) == "now"


def test_the_stores_are_empty_on_import_and_builtins_may_be_registered_twice() -> None:
    """In a process of its own: the stores belong to the process."""
    script = """
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.registries.actions.store import all_actions, get_action
from shared.registries.capabilities.store import all_capabilities, get_capability
from shared.registries.triggers.store import all_triggers, get_trigger
assert all_actions() == all_triggers() == all_capabilities() == {}
assert get_action("agent_task") is None and get_trigger("schedule") is None
assert get_capability("now") is None
register_builtins()
before = current_catalogue()
register_builtins()
assert current_catalogue() == before
assert list(before.actions) == ["agent_task", "deliver"] and list(before.triggers) == ["schedule"]
all_actions().clear()
assert get_action("agent_task") is before.actions["agent_task"]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_manual_is_registered_nowhere() -> None:
    assert SCHEDULE.type == "schedule"
    assert isinstance(SCHEDULE, TriggerDefinition)
    assert isinstance(AGENT_TASK, ActionDefinition)
