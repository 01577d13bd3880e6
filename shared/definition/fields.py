"""Field types that every part of a definition is made of."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from shared.json.canonical_json import normalise

# protobuf reads no Struct deeper than about 33 levels
MAX_OBJECT_DEPTH = 24


class Block(BaseModel):
    """A part of a definition: immutable, and unknown keys are refused.

    Its own JSON has the names of the wire, so that `model_validate_json` reads what
    `model_dump_json` writes.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True
    )


def require_number(value: Any) -> Any:
    """Refuses what Pydantic would read as a number: "5", true."""
    if isinstance(value, (bool, str, bytes)):
        raise ValueError("must be a number")
    return value


def require_words(value: str) -> str:
    """Refuses a text of white space. An empty one is left to the limits of its length."""
    if value and not value.strip():
        raise ValueError("must not be blank")
    return value


def _text(value: str) -> str:
    return str(normalise(value))


def _object(value: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = normalise(value, MAX_OBJECT_DEPTH)
    return result


Text = Annotated[str, AfterValidator(_text)]
Flag = StrictBool
JsonObject = Annotated[dict[str, Any], AfterValidator(_object)]

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
TypeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
# bounds come before the validator, or the JSON Schema would not show them
Seconds = Annotated[int, Field(ge=1, le=86_400), BeforeValidator(require_number)]
Retries = Annotated[int, Field(ge=0, le=10), BeforeValidator(require_number)]
Dollars = Annotated[float, Field(gt=0, le=10_000), BeforeValidator(require_number)]
