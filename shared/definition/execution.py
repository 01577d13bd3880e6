"""The steps of a plan, and how they are carried out."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from shared.definition.fields import (
    Block,
    Dollars,
    Identifier,
    JsonObject,
    Retries,
    Seconds,
    Text,
    TypeName,
    Variable,
)

MAX_ON_FAILURE = 10
# What on_failure has, whatever the plan took.
ON_FAILURE_SECONDS = 300

# on the wire an absent string is an empty one
_Absent = BeforeValidator(lambda value: None if value == "" else value)


class PlanStep(Block):
    """One step. Retries and timeout that are left out are those of the execution block."""

    step_id: Identifier
    action: TypeName
    when: Annotated[
        Annotated[Text, Field(max_length=2_000)] | None,
        _Absent,
        Field(description="an expression; the step is skipped unless it is true"),
    ] = None
    config: JsonObject = Field(default_factory=dict)
    output_as: Annotated[
        Variable | None,
        _Absent,
        Field(description="second name of the step's output under `steps`"),
    ] = None
    max_retries: Retries | None = None
    timeout_seconds: Seconds | None = None


class ExecutionBlock(Block):
    """How a run is carried out. Left out, every default holds; an explicit 0 stays 0."""

    timeout_seconds: Annotated[Seconds, Field(description="of the plan of a run")] = 600
    max_retries: Retries = 2
    retry_backoff: Literal["exponential", "linear", "none"] = "exponential"
    concurrency: Annotated[
        Literal["drop_if_running", "queue", "always", "cancel_running"],
        Field(
            description="what a slot does while a run goes on: skip itself, wait in line, run "
            "beside it, or cancel it and run after its end"
        ),
    ] = "drop_if_running"
    budget_cap_usd: Dollars | None = None
    on_failure: Annotated[list[PlanStep], Field(max_length=MAX_ON_FAILURE)] = Field(
        default_factory=list
    )
