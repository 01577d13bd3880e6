"""`schedule`: a cron expression in a time zone."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from shared.definition.fields import Block
from shared.registries.triggers.types import TriggerDefinition
from shared.schedule.config import ScheduleTriggerConfig


class SchedulePayload(Block):
    """What a fire tells its run."""

    fired_at: Annotated[AwareDatetime, Field(description="when the run was made")]
    scheduled_for: Annotated[AwareDatetime, Field(description="the slot's nominal time")]
    last_fired_at: Annotated[
        AwareDatetime | None, Field(description="fired_at of the fire before; null: the first")
    ] = None


SCHEDULE = TriggerDefinition(
    type="schedule",
    description="Fires at the times a cron expression names in a time zone.",
    config_schema=ScheduleTriggerConfig.model_json_schema(),
    payload_schema=SchedulePayload.model_json_schema(),
    config_model=ScheduleTriggerConfig,
)
