"""The editable envelope: what a person approves and an automation runs."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.definition.execution import ExecutionBlock, PlanStep
from shared.definition.fields import (
    MAX_OBJECT_DEPTH,
    Block,
    Flag,
    Identifier,
    JsonObject,
    Text,
    TypeName,
)
from shared.json.canonical_json import normalise

MAX_PLAN_STEPS = 50
MAX_TRIGGERS = 20
MAX_TAGS = 50


class InputsBlock(Block):
    """What a run takes in. The JSON key is `schema`, a JSON Schema (2020-12) of an object."""

    schema_: JsonObject = Field(default_factory=dict, alias="schema")


class TriggerSpec(Block):
    trigger_id: Identifier
    type: TypeName
    config: JsonObject = Field(default_factory=dict)
    static_inputs: JsonObject = Field(
        default_factory=dict, description="values that are the same in every run"
    )
    enabled: Flag = True


class MetadataBlock(BaseModel):
    """Says where a definition comes from. Unknown keys are kept as they are."""

    model_config = ConfigDict(extra="allow", frozen=True)

    tags: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=64)]], Field(max_length=MAX_TAGS)
    ] = Field(default_factory=list)
    created_from_nl: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return normalise(value, MAX_OBJECT_DEPTH) if isinstance(value, dict) else value


class AutomationDefinition(Block):
    """`name` is 1 to 200 characters; empty only until AutomationCreate fills it."""

    schema_version: Literal["1.0"] = "1.0"
    name: Annotated[Text, Field(max_length=200)] = ""
    goal: Annotated[Text, Field(max_length=2_000)] = ""
    inputs: InputsBlock = Field(default_factory=InputsBlock)
    triggers: Annotated[list[TriggerSpec], Field(max_length=MAX_TRIGGERS)] = Field(
        default_factory=list
    )
    plan: Annotated[list[PlanStep], Field(min_length=1, max_length=MAX_PLAN_STEPS)]
    execution: ExecutionBlock = Field(default_factory=ExecutionBlock)
    metadata: MetadataBlock = Field(default_factory=MetadataBlock)


class AutomationCreate(Block):
    """A definition with how it is shown.

    `display_name` and `definition.name` are one value: either may be left out and is
    filled from the other; two different ones are refused.
    """

    display_name: Annotated[Text, Field(max_length=200)] = ""
    description: Annotated[Text, Field(max_length=2_000)] = ""
    definition: AutomationDefinition

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "definition" not in value:
            return value
        shown, definition = value.get("display_name") or "", value["definition"]
        named = _name_of(definition)
        if not isinstance(shown, str) or not isinstance(named, str):
            return value
        if shown and named and shown != named:
            raise PydanticCustomError(
                "name_conflict",
                "display_name and definition.name are one value; two different ones were given",
                {"field": "display_name"},
            )
        name = shown or named
        return {**value, "display_name": name, "definition": _named(definition, name)}

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if not self.display_name:
            raise PydanticCustomError(
                "missing", "a name of 1 to 200 characters is required", {"field": "display_name"}
            )
        return self


def dump(model: BaseModel) -> dict[str, Any]:
    """Plain JSON under the wire's names: defaults filled, absent values left out.

    Empty texts and lists count as absent outside open objects: the wire can't tell them apart.
    """
    result: dict[str, Any] = normalise(_plain(model))
    return result


def _plain(value: Any) -> Any:
    # by hand, since exclude_none would also drop nulls inside open objects
    if isinstance(value, BaseModel):
        absent: tuple[Any, ...] = (None,) if isinstance(value, MetadataBlock) else (None, "", [])
        named = {
            field.alias or key: _plain(getattr(value, key))
            for key, field in type(value).model_fields.items()
            if getattr(value, key) not in absent
        }
        return named | (value.model_extra or {})
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _name_of(definition: Any) -> Any:
    if isinstance(definition, AutomationDefinition):
        return definition.name
    return definition.get("name") or "" if isinstance(definition, dict) else ""


def _named(definition: Any, name: str) -> Any:
    if isinstance(definition, AutomationDefinition):
        return definition.model_copy(update={"name": name})
    return {**definition, "name": name} if isinstance(definition, dict) else definition
