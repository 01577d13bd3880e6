"""Chat's own tools: which there are, which ask first, and what each is told to be for."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from rota.chat.v1 import chat_pb2 as pb

from chat_service.agent.toolset import MAIN_AGENT
from chat_service.runtime.events import RunPaused
from chat_service.tools.capability_result import MAX_DEPTH, call_capability
from chat_service.tools.capability_tool import nesting_error
from chat_service.tools.definition import ToolDefinition
from shared.registries.capabilities.types import Capability
from shared.rpc.messages.struct import to_struct
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_backfill import missed
from tests.chat_service.tools.automations.changes.test_roll_back import change_once
from tests.chat_service.tools.automations.changes.test_unskip_slots import skip_monday
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, held, there
from tests.chat_service.tools.inbox.test_explain_result import one_run

ARGUMENTS = {
    "create_automation": {"intent": "Every day at 9 in Paris: say hello."},
    "update_automation": {"automation": "news", "change": "Run it 10:30."},
    "pause_automation": {"automation": "news"},
    "resume_automation": {"automation": "news"},
    "skip_next_slot": {"automation": "news"},
    "unskip_slots": {"automation": "news"},
    "explain_slot": {"automation": "news", "moment": "yesterday at 9"},
    "backfill_slots": {"automation": "news", "start": "2026-11-20T09:00:00+01:00"},
    "roll_back_automation": {"automation": "news"},
    "delete_automation": {"automation": "news"},
    "list_automations": {},
    "list_inbox": {},
    "explain_result": {"result": "news"},
    "list_destinations": {},
}


@pytest.mark.parametrize("tool", MAIN_AGENT, ids=lambda tool: tool.name)
async def test_a_tool_asks_first_exactly_when_it_says_so(
    bench: Bench, tool: ToolDefinition
) -> None:
    news = await there(bench, WEEKDAYS)
    if tool.name == "resume_automation":
        held(bench, news).state = "paused"
    if tool.name == "unskip_slots":
        skip_monday(bench, news)
    if tool.name == "backfill_slots":
        bench.automations.unrun = [missed(news, 0)]
    if tool.name == "roll_back_automation":
        change_once(bench, news)
    if tool.name == "explain_result":
        bench.automations.results.runs.append(one_run(news))
    saved = len(bench.automations.saved)

    events = await bench.all(_calling(tool.name, ARGUMENTS[tool.name]))

    asks = isinstance(events[-1], RunPaused)
    assert asks == (tool.approval == "always")
    assert [r.ok for r in finished(events)] == [] if asks else [True]
    assert len(bench.automations.saved) == saved


@pytest.mark.parametrize(
    ("tool", "arguments", "issue"),
    [
        ("update_automation", {"automation": "news"}, "change: a text of 1 to 8,000 characters"),
        ("pause_automation", {"automation": " "}, "automation: a text of 1 to 300 characters"),
        (
            "pause_automation",
            {"automation": "news", "note": "x" * 1_001},
            "note: a text of 0 to 1,000 characters",
        ),
        ("explain_slot", {"automation": 7, "moment": "9"}, "automation: a text of 1 to 300"),
    ],
)
async def test_arguments_that_do_not_fit_are_answered(
    bench: Bench, tool: str, arguments: dict[str, object], issue: str
) -> None:
    bench.keep_automation()
    events = await bench.all(_calling(tool, arguments))

    (result,) = finished(events)
    assert (result.ok, result.output["status"]) == (False, "invalid")
    assert result.output["issues"][0].startswith(issue)
    assert text_of(events)


async def test_the_main_agent_is_told_of_words_and_never_of_the_schema(bench: Bench) -> None:
    bench.keep_automation()
    await bench.all("hello")

    seen = bench.demo.controls.log()[0]
    assert seen.tools == [tool.name for tool in MAIN_AGENT]
    assert "trigger_id" not in seen.system
    assert "cron" not in seen.system


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 500])
async def test_what_is_nested_deeper_than_a_message_can_be_is_refused_or_flattened(
    levels: int,
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(levels - 1):
        deep = {"a": deep}

    async def give(_: Mapping[str, Any]) -> Any:
        return deep

    capability = Capability(
        id="deep",
        description="Gives something deep.",
        input_schema={"type": "object"},
        output_schema={"type": "object"},
        handler=give,
    )
    refused = f"the arguments are nested deeper than {MAX_DEPTH} levels"
    assert nesting_error(deep) == ("" if levels <= MAX_DEPTH else refused)

    result = await call_capability(capability, {})
    assert result.ok
    part = pb.Part(tool_call=pb.ToolCall(output=to_struct(result.output)))
    completed = pb.TurnEvent(completed=pb.TurnCompleted(message=pb.Message(parts=[part])))
    listed = pb.ListMessagesResponse(messages=[completed.completed.message])
    approval = pb.Approval(payload=to_struct({"tool": "deep", "arguments": result.output}))
    turns = pb.ListTurnsResponse(turns=[pb.Turn(approvals=[approval])])
    for message in (completed, listed, turns):
        assert type(message).FromString(message.SerializeToString()) == message


def _calling(tool: str, arguments: Mapping[str, object]) -> str:
    return f"go <<calls={json.dumps([{'name': tool, 'args': arguments}])}>>"
