"""The models file, prices, and answers beside those of the stock model."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from chat_service.llm.chat_model import CallProgress, ResponseChunk, StreamingChat
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.features.request_settings import RequestSettings
from chat_service.llm.stream.event_stream import LineSplitter
from chat_service.llm.tool_calls.assembler import ToolCallChunk
from chat_service.runtime.models_file import BadModelsFile, Models, load_models
from tests.chat_service.agent_bench import KEY, Bench
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

GOOD = """
monthly_credit_micros: 5000000
models:
  - id: -1
    display_name: Small
    model: small-1
    api_key_env: SMALL_KEY
    input_price: 150000
    output_price: 600000
  - id: -2
    display_name: Large
    model: large-1
    base_url: http://large/v1
    premium: true
    supports_images: true
    auto_eligible: false
"""


CLERK = "{name: clerk, description: files, instructions: You file., tools: [now]}"


def _load(path: Path | None, **environ: str) -> Models:
    return load_models(
        path,
        openai_api_key="general",
        openai_base_url="http://general/v1",
        default_model="demo",
        environ=environ,
    )


def _file(folder: Path, text: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(text)
    return path


SET = """
models:
  - id: -1
    display_name: Small
    model: small-1
    temperature: 0.5
    top_p: 0.9
    max_tokens: 700
    reasoning_effort: low
    response_format: json_object
    strict: false
    tool_choice: auto
    parallel_tool_calls: false
    leave_out: [stream_options, schema.format]
    extra_headers: {X-Team: north}
    header_env: {X-Key: TEAM_KEY}
    extra_body: {seed: 7}
"""


def test_an_entry_sets_the_requests_of_its_model(tmp_path: Path) -> None:
    found = _load(_file(tmp_path, SET), TEAM_KEY="secret")[-1]

    assert found.settings == RequestSettings(
        temperature=0.5,
        top_p=0.9,
        max_tokens=700,
        reasoning_effort="low",
        response_format="json_object",
        strict=False,
        tool_choice="auto",
        parallel_tool_calls=False,
        leave_out=frozenset({"stream_options", "schema.format"}),
        extra_headers={"X-Team": "north", "X-Key": "secret"},
        extra_body={"seed": 7},
    )
    assert "secret" not in repr(found)
    with pytest.raises(BadModelsFile, match="TEAM_KEY is not set"):
        _load(_file(tmp_path, SET))


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("temperature: 3", "temperature"),
        ("max_tokens: 0", "max_tokens"),
        ("response_format: xml", "response_format"),
        ("tool_choice: required", "tool_choice"),
        ("leave_out: [messages]", "no request can do without messages"),
        ("leave_out: [tol]", "tol is no part of a request: is tools"),
        ("leave_out: [tool]", "tool is no part of a request: is tools"),
        ("leave_out: [connection]", "connection is no part of a request"),
        (
            "leave_out: [top_k], extra_body: {top_n: 1}",
            "top_k is no part of a .* top_n",
        ),
        ("temprature: 1", r"models\.0\.temprature is no setting: is temperature meant"),
        ("base_url: 'localhost:11434/v1'", "base_url should begin with http:// or https://"),
        ("extra_headers: {Authorization: x}", "Authorization is set by Rota"),
        ('extra_headers: {X-A: "b\\nc"}', "extra_headers"),
        ("header_env: {Host: X}", "Host is set by Rota"),
        ("extra_body: {model: other}", "model is set by Rota"),
        ("extra_body: {stream: false}", "stream is set by Rota"),
    ],
)
def test_what_cannot_be_set_is_refused(tmp_path: Path, line: str, wrong: str) -> None:
    entry = f"models: [{{id: -1, display_name: Small, model: small-1, {line}}}]"

    with pytest.raises(BadModelsFile, match=wrong):
        _load(_file(tmp_path, entry))


PARTS = (
    *("tools", "stream", "stream_options", "json_schema", "strict", "null_content"),
    *("empty_content", "developer_role", "system_role", "role_order", "thoughts", "call_members"),
    *("call_ids", "call_without_thought", "call_without_signature", "response_format", "seed"),
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "parallel_tool_calls"),
    *("tool_choice", "reasoning_effort", "schema.pattern", "schema.anyOf", "top_k"),
)


def test_each_part_of_a_request_can_be_left_out(tmp_path: Path) -> None:
    line = f"leave_out: [{', '.join(PARTS)}], extra_body: {{top_k: 1}}"
    entry = f"models: [{{id: -1, display_name: Small, model: small-1, {line}}}]"

    assert _load(_file(tmp_path, entry))[-1].settings.leave_out == set(PARTS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: `models`, a list, is required"),
        ("# nothing yet", "is empty"),
        ("[1]", "holds no settings"),
        ("model: []", "model is no setting: is models meant"),
        ("models: [7]", r"models\.0 should hold settings by their names"),
        ("models: [{id: -1, model: m}]", r"models\.0\.display_name is required"),
        ("mcp_servers: [{id: a, uri: x}]", r"uri is no setting: is url meant"),
        ("mcp_servers: [{id: a, url: x}]", r"url should begin with http"),
    ],
)
def test_a_file_that_can_not_be_read_says_why_in_plain_words(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(BadModelsFile, match=said) as refused:
        _load(_file(tmp_path, text))
    assert "_File" not in str(refused.value)


def test_without_a_file_there_is_one_model() -> None:
    models = _load(None)

    assert list(models) == [-1]
    assert (models[-1].model, models[-1].base_url) == ("demo", "http://general/v1")
    assert models[-1].api_key.get_secret_value() == "general"
    assert models[-1].supports_images is None


def test_a_file_names_models_and_where_their_keys_are(tmp_path: Path) -> None:
    models = _load(_file(tmp_path, GOOD), SMALL_KEY="small secret")

    assert models.monthly_credit_micros == 5_000_000
    assert models[-1].api_key.get_secret_value() == "small secret"
    assert models[-1].base_url == "http://general/v1"
    assert models[-2].api_key.get_secret_value() == "general"
    assert (models[-2].base_url, models[-2].premium, models[-2].supports_images) == (
        "http://large/v1",
        True,
        True,
    )


def test_a_file_says_how_tools_act_and_which_subagents_there_are(tmp_path: Path) -> None:
    said = f"{GOOD}tools: {{fetch_url: always}}\nsubagents: [{CLERK}]"
    models = _load(_file(tmp_path, said), SMALL_KEY="x")

    assert models.tools == {"fetch_url": "always"}
    (clerk,) = models.subagents
    assert (clerk.name, clerk.tools) == ("clerk", ("now",))
    assert [one.name for one in _load(None).subagents] == ["researcher"]
    assert not _load(_file(tmp_path, f"{GOOD}subagents: []"), SMALL_KEY="x").subagents


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    models = _load(_file(tmp_path, GOOD), SMALL_KEY="small secret")

    assert "small secret" not in repr(models[-1])
    assert "small secret" not in repr(models[-1].api_key)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: [", "is no YAML"),
        ("models: []", "models: List should have at least 1 item"),
        (GOOD.replace("id: -2", "id: 2"), "models.1.id: Input should be less than 0"),
        (GOOD.replace("id: -2", "id: -1"), "each id may be used once"),
        (GOOD.replace("premium", "premum"), "models.1.premum is no setting"),
        (GOOD.replace("150000", "-1"), "models.0.input_price"),
        (GOOD, "SMALL_KEY is not set"),
        ("", "is empty"),
        (f"{GOOD}tools: {{write: never}}", "tools.write"),
        (f"{GOOD}tools: {{now: sometimes}}", "tools.now"),
        (f"{GOOD}subagents: [{{name: A, description: a, instructions: a}}]", "subagents.0.name"),
        (
            f"{GOOD}subagents: [{CLERK}, {CLERK}]".replace("api_key_env: SMALL_KEY", ""),
            "subagents: each name may be used once",
        ),
    ],
)
def test_a_bad_file_says_where_it_is_bad(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadModelsFile, match=said):
        _load(_file(tmp_path, text))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadModelsFile, match="No such file"):
        _load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("tokens", "cached_price", "micros"),
    [
        ({"input_tokens": 1_000, "output_tokens": 0}, None, 1_000),
        ({"input_tokens": 1_000, "output_tokens": 10}, None, 1_020),
        ({"input_tokens": 1_000, "output_tokens": 0, "cached_tokens": 400}, 100_000, 640),
        ({"input_tokens": 1_000, "output_tokens": 0, "cached_tokens": 400}, None, 1_000),
        ({"input_tokens": 0, "output_tokens": 0}, None, 0),
    ],
)
def test_a_call_costs_what_its_tokens_cost(
    tokens: dict[str, int], cached_price: int | None, micros: int
) -> None:
    config = ModelConfig(
        id=-1,
        display_name="m",
        model="m",
        input_price=1_000_000,
        output_price=2_000_000,
        cached_price=cached_price,
    )

    assert config.cost_micros(**tokens) == micros


def test_a_call_is_never_rounded_down_to_nothing() -> None:
    config = ModelConfig(id=-1, display_name="m", model="m", input_price=1)

    assert config.cost_micros(input_tokens=1, output_tokens=0) == 1


def _word(text: str) -> dict[str, Any]:
    return {"model": "scripted", "choices": [{"index": 0, "delta": {"content": text}}]}


BOTH = [
    _word("Well: "),
    says("Hel"),
    says("lo"),
    calls(call("a", '{"x"', index=0, id="c1"), call("b", "{}", index=1, id="c2")),
    calls({"index": 0, "function": {"arguments": ": 1}"}}),
    ends("tool_calls"),
    DONE,
]
PLAIN = [
    says(""),
    *[_word(f" word{number}") for number in range(20)],
    _word(""),
    says("\n"),
    _word("end"),
    ends(),
    DONE,
]
EARLIER = [SystemMessage("be kind"), HumanMessage("go", id="m1")]
ASKED: list[dict[str, Any]] = [
    {},
    {"max_tokens": 7},
    {"tools": [{"type": "function", "function": {"name": "a", "parameters": {}}}]},
]


@pytest.mark.parametrize("reply", [BOTH, PLAIN, [says("a word"), ends()]])
@pytest.mark.parametrize("settings", ASKED)
async def test_an_answer_is_what_the_stock_model_would_have_made_of_it(
    reply: Reply, settings: dict[str, Any]
) -> None:
    async with scripted_model(reply, reply) as model:
        chat = _chat(model.base_url)
        lean = await chat.answer(EARLIER, progress=CallProgress(), **settings)
        # the stock model's own way to the same provider
        stock = await _chat(model.base_url, ChatOpenAI).bind(**settings).ainvoke(EARLIER)

    left_out = {"id"}
    assert lean.model_dump(exclude=left_out) == stock.model_dump(exclude=left_out)
    assert lean.id
    assert model.asked[0] == model.asked[1]


async def test_what_is_heard_is_all_that_is_said_and_in_order() -> None:
    heard: list[ResponseChunk] = []
    async with scripted_model(BOTH) as model:
        answer = await _chat(model.base_url).answer(
            EARLIER, progress=CallProgress(), on_chunk=heard.append
        )

    said = [piece for piece in heard if isinstance(piece, str)]
    assert "".join(said) == answer.text == "Well: Hello"
    told = [piece.args for piece in heard if isinstance(piece, ToolCallChunk)]
    assert told == ['{"x"', "{}", ": 1}"]


async def test_answers_given_at_once_by_one_model_stay_apart() -> None:
    def reply(asked: dict[str, Any]) -> Reply:
        return [says(asked["messages"][-1]["content"]), ends(), DONE]

    async with scripted_model(answer=reply) as model:
        chat = _chat(model.base_url)
        asked = [[HumanMessage(f"{number}")] for number in range(8)]
        answers = await asyncio.gather(
            *(chat.answer(one, progress=CallProgress()) for one in asked)
        )

    assert [one.text for one in answers] == [f"{number}" for number in range(8)]
    assert len({one.id for one in answers}) == 8


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_they_may_and_come_in_any_pieces(end: bytes) -> None:
    said = ["data: 1", "", "data: é\u2028ü", "", "data: [DONE]"]
    sent = end.join(line.encode() for line in said)

    for size in (1, 2, 3, 1000):
        splitter = LineSplitter()
        pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
        lines = [line for piece in pieces for line in splitter.split(piece)] + splitter.close()
        found = [line.decode() for line in lines if line]
        assert found == [line for line in said if line]


def _chat(base_url: str, kind: type[Any] = StreamingChat) -> Any:
    return kind(
        model="scripted",
        base_url=base_url,
        api_key=SecretStr("k"),
        stream_usage=True,
        streaming=True,
    )


async def test_the_key_goes_to_the_provider(bench: Bench) -> None:
    assert bench.model().chat().openai_api_key == SecretStr(KEY)


def test_the_services_own_model_is_made_once_for_each_configuration(bench: Bench) -> None:
    one = bench.model()
    other = ModelBundle(config=replace(one.config, api_key=SecretStr("another")))

    assert one.chat() is bench.model().chat()
    assert one.chat() is not other.chat()


async def test_a_persons_own_model_is_shared_with_nobody(bench: Bench) -> None:
    config = bench.model().config
    async with httpx2.AsyncClient() as client:
        own = ModelBundle(config=config, client=client)

        assert own.chat() is not own.chat()
        assert own.chat() is not bench.model().chat()
    assert bench.model().chat().http_async_client is None
