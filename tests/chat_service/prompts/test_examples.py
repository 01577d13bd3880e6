"""The examples of a prompt: what is sent of them, and where nothing of them is left."""

import json
import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from chat_service.agent.middleware.offered_tools import MAX_DESCRIPTION, fit_tools, shorten_tools
from chat_service.agent.toolset import MAIN_AGENT
from chat_service.llm.config import SMALL_CONTEXT, ModelBundle, ModelConfig
from chat_service.llm.usage import ModelUsage, estimate_request_tokens
from chat_service.prompts.examples import TAG, BadExample, parse_examples
from chat_service.runtime.events import RunPaused
from chat_service.runtime.ports import TaskLimits, ThreadMessage
from chat_service.runtime.subagent import researcher
from shared.json import compact_json, json_schema
from tests.chat_service.agent_bench import KEY, Bench, text_of
from tests.chat_service.hands import Hands, one_call
from tests.support.model_providers.scripted_model import ScriptedModel, ends, says, scripted_model

INTENT = {"intent": "Every day at 9: a joke."}
STEP = {"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}
TRIGGER = {
    "trigger_id": "t",
    "type": "schedule",
    "config": {"cron": "0 9 * * *", "timezone": "UTC"},
}
DRAFT = {
    "draft": {"display_name": "Joke", "definition": {"triggers": [TRIGGER], "plan": [STEP]}},
    "issues": [],
}
SAID = [says("Hello."), ends()]


def bundle(model: ScriptedModel, **more: Any) -> ModelBundle:
    found = {"id": -1, "display_name": "m", "model": "m", "base_url": model.base_url, **more}
    return ModelBundle(config=ModelConfig(api_key=SecretStr(KEY), **found))


async def test_they_are_messages_with_real_calls_and_a_plain_answer_comes_first(
    bench: Bench,
) -> None:
    bench.keep_automation()
    bench.subagents = [researcher()]
    async with scripted_model(SAID) as model:
        await bench.all("hello", model=bundle(model))

    (body,) = model.sent
    system, *rest = body["messages"]
    examples, own = rest[:-1], rest[-1]
    assert (system["role"], own) == ("system", {"role": "user", "content": "hello"})
    assert [one["role"] for one in examples[:2]] == ["user", "assistant"]
    assert not examples[1].get("tool_calls")
    offered = {one["function"]["name"]: one["function"]["parameters"] for one in body["tools"]}
    calls = [call for one in examples for call in one.get("tool_calls") or ()]
    assert {call["function"]["name"] for call in calls} == set(offered)
    assert not [
        call
        for call in calls
        if json_schema.find_faults(
            offered[call["function"]["name"]], json.loads(call["function"]["arguments"])
        )
    ]
    results = [one["tool_call_id"] for one in examples if one["role"] == "tool"]
    assert results == [call["id"] for call in calls]
    assert len(set(results)) == len(results)
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", one) for one in results), "as Mistral wants them"
    asked = [one["content"] for one in examples if one["role"] == "user"]
    assert all(text.startswith(TAG) for text in asked)
    assert not [name for name in offered if name in system["content"]]


async def test_nothing_of_them_is_kept_or_told(bench: Bench) -> None:
    bench.keep_automation()
    calling = one_call("list_automations", 0)
    async with scripted_model(calling, SAID) as model:
        events = await bench.all("what is there?", model=bundle(model))

    assert [one for one in events if "xample" in repr(one)] == []
    assert sum(isinstance(one, ModelUsage) for one in events) == 2
    with psycopg.connect(bench.dsn) as connection:
        rows = [
            "".join(bytes(c).decode("latin-1") for c in row if isinstance(c, bytes))
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
            for row in connection.execute(
                f"select * from chat.{table} where thread_id like %s", [f"{bench.turn}%"]
            )
        ]
    assert any("list_automations" in row for row in rows)
    assert [row for row in rows if "xample" in row or "Weekday news" in row] == []


async def test_ids_of_the_history_are_never_those_of_examples(bench: Bench) -> None:
    bench.keep_automation()
    call = {"tool_call_id": "example01", "tool": "now", "args_json": "{}", "output": {"now": 1}}
    said = [
        ThreadMessage(id="1", role="user", parts=[{"text": "when is it?"}]),
        ThreadMessage(id="2", role="agent", parts=[{"tool_call": call}, {"text": "Now."}]),
        ThreadMessage(id="3", role="user", parts=[{"text": "hello"}]),
    ]
    async with scripted_model(SAID) as model:
        await bench.all(messages=said, model=bundle(model))

    ids = [c["id"] for one in model.sent[0]["messages"] for c in one.get("tool_calls") or ()]
    assert len(ids) == len(set(ids)) > 1


async def test_a_model_without_tools_subagents_and_tasks_have_none(
    bench: Bench, hands: Hands
) -> None:
    delegated = one_call("delegate", 0, subagent="researcher", task="look")
    bench.capability_tools, bench.subagents = hands.tools(), [researcher()]
    limits = TaskLimits(tools=(), output_schema=None, budget_micros=None, auto_approve=False)
    async with scripted_model(SAID, delegated, SAID, SAID, SAID) as model:
        toolless = bundle(model)
        await toolless.features.leave_out("tools")
        await bench.all("hello", model=toolless)
        bench.turn = uuid4()
        await bench.all("look", model=bundle(model))
        bench.turn = uuid4()
        await bench.task("say hi", limits, model=bundle(model))

    without, main, subagent, _, task = (TAG in json.dumps(body["messages"]) for body in model.sent)
    assert (without, main, subagent, task) == (False, True, False, False)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.mark.parametrize("refused", [None, "json_schema", "response_format"])
async def test_the_schema_is_said_once(bench: Bench, refused: str | None) -> None:
    calling = one_call("create_automation", 0, **INTENT)
    draft = [says(json.dumps(DRAFT)), ends()]
    async with scripted_model(calling, draft) as model:
        known = bundle(model)
        if refused:
            await known.features.leave_out(refused)
        events = await bench.all("a joke", model=known)

    assert isinstance(events[-1], RunPaused)
    _, drafter = model.sent
    in_prompt = "# JSON Schema of your answer" in drafter["messages"][0]["content"]
    in_form = "$defs" in json.dumps(drafter.get("response_format"))
    assert (in_prompt, in_form) == ((True, False) if refused else (False, True))
    assert json.dumps(drafter).count('AutomationDefinition\\"') <= 3
    roles = [one["role"] for one in drafter["messages"]]
    assert roles == ["system", *["user", "assistant"] * 4, "user"]


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        ("no object", True),
        (json.dumps({"draft": {"display_name": "Joke"}, "issues": []}), True),
        (json.dumps(DRAFT).replace("0 9 * * *", "0 0 9 * * *"), False),
    ],
)
async def test_a_draft_that_breaks_the_schema_is_asked_for_with_it(
    bench: Bench, answer: str, again: bool
) -> None:
    calling = one_call("create_automation", 0, **INTENT)
    async with scripted_model(
        calling, [says(answer), ends()], [says(json.dumps(DRAFT)), ends()]
    ) as model:
        await bench.all("a joke", model=bundle(model))

    said = model.sent[-1]["messages"][-1]["content"]
    assert said.startswith("That draft is not valid")
    assert ("# JSON Schema of your answer" in said) is again


async def test_a_task_is_told_its_schema_once(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    limits = TaskLimits(tools=(), output_schema=schema, budget_micros=None, auto_approve=False)
    answers = [[says(said), ends()] for said in ("one", '{"n": 1}', '{"n": 1}')]
    async with scripted_model(*answers) as model:
        await bench.task("count", limits, model=bundle(model))
        known = bundle(model)
        await known.features.leave_out("json_schema")
        bench.turn = uuid4()
        await bench.task("count", limits, model=known)

    first, corrected, without = (json.dumps(body["messages"]) for body in model.sent)
    assert "integer" not in first
    assert corrected.count("integer") == 1
    assert without.count("integer") == 1


@pytest.mark.parametrize(("context", "most"), [(SMALL_CONTEXT, 1), (SMALL_CONTEXT + 1, 2)])
async def test_a_corrected_task_of_a_small_context_has_its_schema_once(
    bench: Bench, context: int, most: int
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    limits = TaskLimits(tools=(), output_schema=schema, budget_micros=None, auto_approve=False)
    answers = [[says(said), ends()] for said in ("one", '{"n": 1}')]
    async with scripted_model(*answers) as model:
        await bench.task("count", limits, model=bundle(model, context_tokens=context))

    assert [json.dumps(body).count("integer") for body in model.sent] == [1, most]


@pytest.mark.parametrize("context", [1_500, 2_048, 4_096, SMALL_CONTEXT])
async def test_a_small_context_has_room_for_the_prompt_the_tools_and_an_answer(
    bench: Bench, context: int
) -> None:
    bench.keep_automation()
    bench.capability_tools, bench.subagents = Hands().tools(), [researcher()]
    said = [
        ThreadMessage(id=str(n), role=("user", "agent")[n % 2], parts=[{"text": "word " * 300}])
        for n in range(40)
    ]
    said.append(ThreadMessage(id="now", role="user", parts=[{"text": "hello"}]))
    async with scripted_model(SAID) as model:
        events = await bench.all(messages=said, model=bundle(model, context_tokens=context))

    (body,) = model.sent
    assert text_of(events) == "Hello."
    assert estimate_request_tokens(body) <= context * 7 // 8
    assert len(compact_json.dump(body["tools"])) <= context // 3 * 4
    assert body["tools"][0]["function"]["name"] == "create_automation"
    assert max(len(one["function"]["description"]) for one in body["tools"]) <= MAX_DESCRIPTION
    if context == SMALL_CONTEXT:
        assert len(body["tools"]) == len(MAIN_AGENT) + 3
        assert [m["content"] for m in body["messages"] if m["role"] == "assistant"][1] is None


@pytest.mark.parametrize(
    ("context", "is_small"), [(SMALL_CONTEXT, True), (SMALL_CONTEXT + 1, False)]
)
async def test_the_border_of_small_contexts(bench: Bench, context: int, is_small: bool) -> None:
    calling = one_call("create_automation", 0, **INTENT)
    async with scripted_model(calling, [says(json.dumps(DRAFT)), ends()]) as model:
        await bench.all("a joke", model=bundle(model, context_tokens=context))

    main, drafter = model.sent
    assert ("\n\nHow you work:" not in main["messages"][0]["content"]) is is_small
    assert ("# Conventions" not in drafter["messages"][0]["content"]) is is_small
    assert (estimate_request_tokens(drafter) < SMALL_CONTEXT // 2) or not is_small


def test_tools_are_shortened_and_fitted_in_their_order() -> None:
    tools = [
        {"type": "function", "function": {"name": name, "description": text, "parameters": {}}}
        for name, text in (("a", "One.\n\nTwo."), ("b", "x" * 5_000), ("c", ""))
    ]

    short = shorten_tools(tools)

    assert [len(one["function"]["description"]) for one in short] == [4, MAX_DESCRIPTION, 0]
    assert [one["function"]["name"] for one in fit_tools(short, 60)] == ["a", "c"]
    assert [one["function"]["name"] for one in fit_tools(short, 0)] == ["a"]
    assert fit_tools([], 0) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hello", "begins with"),
        ("hello\n# Person\nhi\n# Answer\nhi", "begins with"),
        ("# Answer\nhi", "can't come first"),
        ("# Person\nhi", "ends with `# Answer`"),
        ("# Person\nhi\n# Call now\n{}\n# Answer\nhi", "can't come after `# Call`"),
        ("# Person\n# Answer\nhi", "has no text"),
        ("# Person\nhi\n# Call\n{}\n# Result\n{}\n# Answer\nhi", "names a tool"),
        ("# Person\nhi\n# Call now\n[]\n# Result\n{}\n# Answer\nhi", "no JSON object"),
    ],
)
def test_what_is_no_list_of_examples_is_refused_in_words(text: str, what: str) -> None:
    with pytest.raises(BadExample, match=re.escape(what)):
        parse_examples(text)


def test_no_examples_are_none() -> None:
    assert parse_examples(" \n") == []
