"""Stored definitions, parsed and cached by their text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson
from cachetools import LRUCache

from shared.definition.envelope import AutomationDefinition, TriggerSpec
from shared.json import json_schema
from shared.schedule.config import ScheduleTriggerConfig
from shared.validation.inputs import RUNTIME_INPUTS, check_run, check_runtime

# The cache: about so many bytes in all, and the most characters of one definition. A definition
# takes about so many bytes beside those of its characters.
CACHE_BYTES: Final = 64 << 20
CACHE_MAX_CHARACTERS: Final = 16_384
_OVERHEAD_BYTES: Final = 8_000
# Schedules that are kept as they were read. Many automations have the same one.
SCHEDULES: Final = 1_024


@dataclass(frozen=True)
class ParsedDefinition:
    """A definition and the schedules of its triggers."""

    definition: AutomationDefinition
    size: int = 0  # characters of its text
    _configs: dict[str, ScheduleTriggerConfig] = field(default_factory=dict)
    _faults: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _slow: set[str] = field(default_factory=set)  # triggers whose inputs take long to be judged

    def trigger(self, trigger_id: str) -> tuple[TriggerSpec, ScheduleTriggerConfig]:
        """Raises StopIteration for an unknown trigger and ValueError for an invalid schedule."""
        spec = next(t for t in self.definition.triggers if t.trigger_id == trigger_id)
        if (config := self._configs.get(trigger_id)) is None:
            config = self._configs[trigger_id] = parse_schedule(spec.config)
        return spec, config

    def find_input_faults(
        self, trigger_id: str, inputs: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """What is wrong with the inputs of a scheduled run.

        They are judged once for each trigger, unless the schema speaks of those that differ from
        run to run. A schema that takes every object is not applied. Of one that takes long to
        apply only what those say is judged here: a definition is saved when its static inputs
        fit.
        """
        if self._takes_all_inputs:
            return []
        schema = self.definition.inputs.schema_
        if not RUNTIME_INPUTS.isdisjoint(schema.get("properties") or {}):
            return self._judge_each(trigger_id, schema, inputs)
        if (faults := self._faults.get(trigger_id)) is None:
            try:
                faults = check_run(schema, inputs)
            except json_schema.NotQuick:
                faults = []
            self._faults[trigger_id] = faults
        return faults

    def _judge_each(
        self, trigger_id: str, schema: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        if trigger_id not in self._slow:
            try:
                return check_run(schema, inputs)
            except json_schema.NotQuick:
                self._slow.add(trigger_id)
        return check_runtime(schema, inputs)

    @cached_property
    def _takes_all_inputs(self) -> bool:
        return json_schema.takes_every_object(self.definition.inputs.schema_)


def parse(definition: str) -> ParsedDefinition:
    """Parses JSON text. Raises ValueError for an invalid definition.

    The text is the key of the cache, so a row that was changed by hand is parsed again.
    """
    if len(definition) > CACHE_MAX_CHARACTERS:
        return _read(definition)
    if (parsed := _CACHE.get(definition)) is None:
        parsed = _CACHE[definition] = _read(definition)
    return parsed


def _read(definition: str) -> ParsedDefinition:
    try:
        value = orjson.loads(definition)
    except orjson.JSONDecodeError:  # what only PostgreSQL writes: integers of many digits
        value = json.loads(definition)
    return ParsedDefinition(AutomationDefinition.model_validate(value), len(definition))


def _estimate_bytes(parsed: ParsedDefinition) -> int:
    return _OVERHEAD_BYTES + parsed.size


_CACHE: Final[LRUCache[str, ParsedDefinition]] = LRUCache(CACHE_BYTES, getsizeof=_estimate_bytes)


def parse_schedule(config: dict[str, Any]) -> ScheduleTriggerConfig:
    """Reads a schedule. Raises ValueError for an invalid one. Equal texts give one object."""
    try:
        key = orjson.dumps(config)
    except TypeError:
        return ScheduleTriggerConfig.model_validate(config)
    if (read := _SCHEDULES.get(key)) is None:
        read = _SCHEDULES[key] = ScheduleTriggerConfig.model_validate(config)
    return read


_SCHEDULES: Final[LRUCache[bytes, ScheduleTriggerConfig]] = LRUCache(SCHEDULES)
