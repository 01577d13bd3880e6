"""A call with validate_only answers what would be, and nothing of what was not made."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import destination_pb2 as dp
from rota.chat.v1 import chat_pb2 as cp

from tests.contract.rows import violations_of
from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.support.system.live import METHODS

DRY: Final = [
    name for name, method in METHODS.items() if "validate_only" in method.input_type.fields_by_name
]
CREATES: Final = [name for name in DRY if "/Create" in name]
UPDATES: Final = [name for name in DRY if "/Update" in name]
IDENTITY: Final = ("name", "id", "etag", "create_time", "update_time")
# Those that a change writes anew, of which a dry run says how they stand.
KEPT: Final = ("name", "etag", "create_time", "update_time")


def identities(message: Message, at: str = "") -> Iterator[str]:
    """The paths of names, times and etags, in the resources of an answer."""
    for field, value in message.ListFields():
        path = f"{at}{field.name}"
        if field.name in IDENTITY:
            yield path
        elif field.name == "triggers" and not at:
            for one in value:
                yield from identities(one, f"{path}.")


def dry(stage: Stage, method: str) -> tuple[Any, Any]:
    request: Any = first_answer(method).make(stage)
    request.validate_only = True
    request.ClearField("request_id")
    return request, stage.call(method, request)


def stored(stage: Stage, method: str, name: str) -> Any:
    """The resource that an update names, as it is."""
    reading = method.replace("/Update", "/Get")
    kind: Any = GetMessageClass(METHODS[reading].input_type)
    return stage.call(reading, kind(name=name))


def test_every_call_that_can_be_tried_is_tried_here() -> None:
    others = {"AutomationService/BackfillSlots", "AutomationService/RollbackAutomation"}
    assert {*CREATES, *UPDATES, *others} == set(DRY)
    assert len(CREATES) == 5
    assert len(UPDATES) == 7


@pytest.mark.parametrize("method", CREATES)
def test_what_was_not_made_has_no_name_time_or_etag(stage: Stage, method: str) -> None:
    _, answer = dry(stage, method)
    assert list(identities(answer)) == []


def test_a_chosen_id_makes_no_name_either(stage: Stage) -> None:
    request: Any = first_answer("AutomationService/CreateAutomation").make(stage)
    request.validate_only, request.automation_id = True, "chosen"
    assert list(identities(stage.call("AutomationService/CreateAutomation", request))) == []


@pytest.mark.parametrize("method", UPDATES)
def test_an_update_that_is_tried_keeps_the_name_the_times_and_the_etag(
    stage: Stage, method: str
) -> None:
    request, answer = dry(stage, method)
    [resource] = [one for one in request.DESCRIPTOR.fields if one.name == answer_field(request)]
    found = stored(stage, method, getattr(request, resource.name).name)
    for field in KEPT:
        if field in answer.DESCRIPTOR.fields_by_name:
            assert getattr(answer, field) == getattr(found, field), field


def test_a_rollback_that_is_tried_keeps_the_automation_as_it_is(stage: Stage) -> None:
    request, answer = dry(stage, "AutomationService/RollbackAutomation")
    reading = ap.GetAutomationRequest(name=request.name)
    found = stage.call("AutomationService/GetAutomation", reading)
    assert [len(one.definition.triggers) for one in (answer, found)] == [1, 2]
    for field in KEPT:
        assert getattr(answer, field) == getattr(found, field), field


def answer_field(request: Message) -> str:
    """The field of the resource of an update."""
    return request.DESCRIPTOR.fields[0].name


def test_a_trigger_that_an_update_would_add_has_no_name(stage: Stage) -> None:
    held = stage.new_automation()
    request = ap.UpdateAutomationRequest(automation=held, validate_only=True)
    added = request.automation.definition.triggers.add()
    added.CopyFrom(held.definition.triggers[0])
    added.trigger_id = "another"
    tried = stage.call("AutomationService/UpdateAutomation", request)
    assert [one.name for one in tried.triggers] == [held.triggers[0].name, ""]


def test_what_an_update_can_not_change_is_refused_and_not_ignored(stage: Stage) -> None:
    held = stage.new_automation()
    trigger = ap.Trigger(name=held.triggers[0].name, type="webhook")
    other = ap.Trigger(name=held.triggers[0].name, trigger_id="other")
    paused = ap.Automation(name=held.name, state=ap.Automation.PAUSED)
    personal = dp.Destination(name=stage.destination.name, personal=True)
    own = cp.ModelConfig(name=stage.own_model.name, id=-1)
    for method, request in (
        ("AutomationService/UpdateTrigger", ap.UpdateTriggerRequest(trigger=trigger)),
        ("AutomationService/UpdateTrigger", ap.UpdateTriggerRequest(trigger=other)),
        ("AutomationService/UpdateAutomation", ap.UpdateAutomationRequest(automation=paused)),
        ("DestinationService/UpdateDestination", dp.UpdateDestinationRequest(destination=personal)),
        ("ChatService/UpdateModelConfig", cp.UpdateModelConfigRequest(model_config=own)),
    ):
        assert [reason for _, reason in violations_of(stage.who.refusal(method, request))] == [
            "IMMUTABLE"
        ]
    # A caller that writes back what it read, or whose mask leaves it out, changes nothing of it.
    whole = ap.UpdateAutomationRequest(automation=held)
    assert stage.call("AutomationService/UpdateAutomation", whole) == held
    masked = ap.UpdateTriggerRequest(trigger=trigger)
    masked.update_mask.paths.append("enabled")
    assert stage.call("AutomationService/UpdateTrigger", masked).type == "schedule"
