"""The name of the schema's step for agents never reaches the main model, whatever is sent."""

import json
from typing import Any
from uuid import uuid4

from chat_service.tools.capability_tool import offer_tool
from chat_service.tools.plain_words import to_plain_words
from devstack.demo import replies
from devstack.demo.request import parse
from shared.registries.capabilities.types import Capability
from tests.chat_service.agent_bench import NOW, Bench, finished
from tests.support.model_providers.scripted_model import (
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

WEEKDAYS = "every weekday at 9 in Paris summarise the news"
MISSPELT = "every weekday at 9 in Paris misspell the action"
HOPELESS = "every day at 8 say hello <<draft=hopeless>>"
TURNS = (
    "hello",
    "what do I have scheduled?",
    WEEKDAYS,
    MISSPELT,
    HOPELESS,
    "change water the plants to 10:30",
    "change water the plants to 10:45 <<draft=hopeless>>",
    "pause water the plants",
    "pause the moon",
    "did water the plants run yesterday at 9:00?",
    'ask <<calls=[{"name":"mailer","args":{"to":"me"}}]>>',
)


def answer(body: dict[str, Any]) -> Reply:
    reply = replies.answer(parse(body), NOW)
    if "misspell" in body["messages"][-1]["content"] or "agent_tusk" in str(body["messages"]):
        reply = replies.Reply(
            text=reply.text.replace("agent_task", "agent_tusk"), calls=reply.calls
        )
    made = [call(c.name, c.arguments, index=n, id=f"c{n}") for n, c in enumerate(reply.calls)]
    return [says(reply.text), *([calls(*made)] if made else []), ends()]


async def test_the_main_model_never_reads_the_name_of_the_step(bench: Bench) -> None:
    bench.keep_automation()
    mailer = Capability(
        id="mailer",
        description="Sends a mail.",
        input_schema={"type": "object", "properties": {"to": {"type": "string"}}},
        output_schema={"type": "object"},
        handler=None,
    )
    bench.capability_tools = [offer_tool(mailer, "always").definition]
    told: list[Any] = []
    async with scripted_model(answer=answer) as model:
        bench.ask_at(model.base_url)
        for text in TURNS:
            bench.turn = uuid4()
            events = await bench.all(text)
            told += [result.output for result in finished(events)]
            for approval in getattr(events[-1], "approvals", ()):
                shown = bench.approvals.stored(approval).payload
                bench.approvals.decide(approval, "approved", payload=_edited(shown))
                told += [
                    result.output
                    for result in finished(await bench.all(decided_approvals=[approval]))
                ]

    main = [json.dumps(body) for body in model.asked if "response_format" not in body]
    drafters = [json.dumps(body) for body in model.asked if "response_format" in body]
    outcomes = {(output["status"], bool(output.get("edited_by_person"))) for output in told}
    assert {("listed", False), ("saved", True), ("invalid", False)} <= outcomes
    assert "agent_tusk" in json.dumps(told), "an issue quotes the schema"
    assert [body for body in main if "agent_task" in body] == []
    assert all("agent_task" in body for body in drafters)


def _edited(payload: Any) -> dict[str, Any] | None:
    if "definition" not in payload:
        return None
    more = {"step_id": "more", "action": "agent_task", "config": {"prompt": "Another line."}}
    definition = payload["definition"]
    return {**payload, "definition": {**definition, "plan": [*definition["plan"], more]}}


def test_only_the_names_of_the_schema_are_replaced() -> None:
    definition = {"plan": [{"action": "agent_task", "agent_task": 1}], "goal": "my agent-tasks"}

    assert to_plain_words(definition) == {
        "plan": [{"action": "agent task", "agent task": 1}],
        "goal": "my agent-tasks",
    }
