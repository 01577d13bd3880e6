"""What comments on fields promise of the values that they take, at the edge of each."""

from typing import Any, Final

from rota.automation.v1 import automation_pb2 as ap

from tests.contract.rows import Row, ok, refused
from tests.contract.stage import Stage

C: Final = "ChatService/"
M: Final = "AutomationService/"


def _nested(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels - 1):
        made = {"a": made}
    return made


def _checking(stage: Stage, **definition: Any) -> ap.CreateAutomationRequest:
    return ap.CreateAutomationRequest(
        parent=stage.workspace, automation=stage.drafted(**definition), validate_only=True
    )


def _step(**config: Any) -> list[dict[str, Any]]:
    return [{"step_id": "s", "action": "agent_task", "config": {"prompt": "Hello.", **config}}]


def _trigger(**config: Any) -> list[dict[str, Any]]:
    config = {"cron": "0 0 1 1 *", "timezone": "UTC", **config}
    return [{"trigger_id": "t", "type": "schedule", "config": config}]


def _deep(stage: Stage, levels: int) -> ap.CreateAutomationRequest:
    deep = _nested(levels)
    triggers = [{**_trigger()[0], "static_inputs": deep}]
    inputs = {"schema": {"default": deep["a"]}}
    return _checking(stage, metadata=deep, triggers=triggers, inputs=inputs)


def _back_to_the_current(stage: Stage) -> ap.RollbackAutomationRequest:
    return ap.RollbackAutomationRequest(name=stage.new_automation().name, revision=1)


PROMISE_ROWS: Final[list[Row]] = [
    ok(f"{M}RollbackAutomation", _back_to_the_current, lambda a: a.revision == 1),
    ok(
        f"{M}PauseAutomation",
        lambda s: ap.PauseAutomationRequest(name=s.new_automation().name),
        lambda a: a.state == ap.Automation.PAUSED and not a.pause_note,
    ),
    ok(f"{M}CreateAutomation", lambda s: _deep(s, 24), lambda a: a.display_name),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _deep(s, 25),
        f"automation.definition.inputs.schema.default{'.a' * 23}",
        f"automation.definition.metadata{'.a' * 24}",
        f"automation.definition.triggers[0].static_inputs{'.a' * 24}",
    ),
    ok(
        f"{M}CreateAutomation",
        lambda s: _checking(s, metadata={"tags": ["x" * 64] * 50}),
        lambda a: a.display_name,
    ),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _checking(s, metadata={"tags": ["x" * 65]}),
        "automation.definition.metadata.tags[0]",
    ),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _checking(s, triggers=_trigger(timezone="Mars/Base")),
        "automation.definition.triggers[0].config.timezone",
    ),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _checking(s, plan=_step(tools=["nothing_of_the_kind"])),
        "automation.definition.plan[0].config.tools[0]",
    ),
    ok(
        f"{M}CreateAutomation",
        lambda s: _checking(s, plan=_step(model="a-model-that-there-is-not")),
        lambda a: a.display_name,
    ),
    refused(
        f"{M}CreateAutomation",
        "INVALID_REQUEST",
        lambda s: _checking(s, plan=_step(model=f"{s.workspace}/modelConfigs/999999")),
        "automation.definition.plan[0].config.model",
    ),
    refused(
        f"{C}SendMessage",
        "INVALID_REQUEST",
        lambda s: s.saying("hello", time_zone="Mars/Base"),
        "time_zone",
    ),
    refused(
        f"{C}SendMessage",
        "INVALID_REQUEST",
        lambda s: s.saying("hello", model_config_id=-99),
        "model_config_id",
    ),
    ok(
        f"{C}SendMessage",
        lambda s: s.saying("hello", disabled_tools=["nothing_of_the_kind"]),
        lambda frames: frames[-1].HasField("completed"),
    ),
]
