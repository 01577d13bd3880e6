"""Stored definitions, parsed and cached by their text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from shared.definition.envelope import AutomationDefinition, TriggerSpec
from shared.schedule.config import ScheduleTriggerConfig
from shared.validation.inputs import RUNTIME_INPUTS, check_run

# The cache: how many definitions, and the most characters of one.
CACHE_SIZE: Final = 1_000
CACHE_MAX_CHARACTERS: Final = 16_384


@dataclass(frozen=True, slots=True)
class ParsedDefinition:
    """A definition and the schedules of its triggers."""

    definition: AutomationDefinition
    _configs: dict[str, ScheduleTriggerConfig] = field(default_factory=dict)
    _faults: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

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
        run to run.
        """
        schema = self.definition.inputs.schema_
        if not RUNTIME_INPUTS.isdisjoint(schema.get("properties") or {}):
            return check_run(schema, inputs)
        if (faults := self._faults.get(trigger_id)) is None:
            faults = self._faults[trigger_id] = check_run(schema, inputs)
        return faults


def parse(definition: str) -> ParsedDefinition:
    """Parses JSON text. Raises ValueError for an invalid definition.

    The text is the key of the cache, so a row that was changed by hand is parsed again.
    """
    return _kept(definition) if len(definition) <= CACHE_MAX_CHARACTERS else _read(definition)


def _read(definition: str) -> ParsedDefinition:
    return ParsedDefinition(AutomationDefinition.model_validate(json.loads(definition)))


_kept = lru_cache(maxsize=CACHE_SIZE)(_read)


def parse_schedule(config: dict[str, Any]) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate(config)
