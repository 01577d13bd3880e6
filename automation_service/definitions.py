"""Stored definitions, parsed and cached by their text."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from shared.definition.envelope import AutomationDefinition, TriggerSpec
from shared.schedule.config import ScheduleTriggerConfig

# The cache: how many definitions, and the most characters of one.
CACHE_SIZE: Final = 1_000
CACHE_MAX_CHARACTERS: Final = 16_384


@dataclass(frozen=True, slots=True)
class ParsedDefinition:
    """A definition and the schedules of its triggers."""

    definition: AutomationDefinition
    _configs: dict[str, ScheduleTriggerConfig] = field(default_factory=dict)

    def trigger(self, trigger_id: str) -> tuple[TriggerSpec, ScheduleTriggerConfig]:
        """Raises StopIteration for an unknown trigger and ValueError for an invalid schedule."""
        spec = next(t for t in self.definition.triggers if t.trigger_id == trigger_id)
        if (config := self._configs.get(trigger_id)) is None:
            config = self._configs[trigger_id] = parse_schedule(spec.config)
        return spec, config


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
