"""A trigger type: declarative, since one dispatcher fires them all."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

ConfigModel = type[BaseModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDefinition:
    """`config_model` says what `config_schema` can't; without it the schema alone decides."""

    type: str
    description: str
    config_schema: dict[str, Any]
    payload_schema: dict[str, Any]
    config_model: ConfigModel | None = None
