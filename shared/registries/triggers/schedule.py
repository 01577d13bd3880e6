"""`schedule`: times in a time zone, by a cron expression, a moment or an interval."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field

from shared.definition.fields import Block
from shared.registries.triggers.types import TriggerDefinition
from shared.schedule.config import FORMS, ScheduleTriggerConfig


class SchedulePayload(Block):
    """What a fire tells its run."""

    fired_at: Annotated[AwareDatetime, Field(description="when the run was made")]
    scheduled_for: Annotated[AwareDatetime, Field(description="the slot's nominal time")]
    last_fired_at: Annotated[
        AwareDatetime | None, Field(description="fired_at of the fire before; null: the first")
    ] = None


# What has no meaning in a form.
_USELESS: Final = {
    "cron": (),
    "at": ("start_time", "end_time", "excluded_dates", "day_match"),
    "every": ("day_match",),
}


def _build_config_schema() -> dict[str, Any]:
    """The schema in one piece: exactly one of the forms is required, and none is null."""
    schema = ScheduleTriggerConfig.model_json_schema()
    defs = schema.pop("$defs")
    properties = schema["properties"]
    for form in (*FORMS, "day_match"):
        found = properties.pop(form)
        found.pop("default", None)
        form_schema = found.pop("anyOf")[0]
        if name := form_schema.get("$ref", "").rpartition("/")[2]:
            form_schema = defs[name]
        properties[form] = {**form_schema, **found}
    options = [key for key in properties if key not in (*FORMS, "timezone")]
    order = (*FORMS, "timezone", *options)
    schema["properties"] = {key: properties[key] for key in order}
    schema["oneOf"] = [
        {"required": [form], "properties": dict.fromkeys(_USELESS[form], False)} for form in FORMS
    ]
    return schema


SCHEDULE = TriggerDefinition(
    type="schedule",
    description=(
        "Fires in a time zone at the times of a cron expression, at one moment, or every so many "
        "minutes, hours, days or weeks."
    ),
    config_schema=_build_config_schema(),
    payload_schema=SchedulePayload.model_json_schema(),
    config_model=ScheduleTriggerConfig,
)
