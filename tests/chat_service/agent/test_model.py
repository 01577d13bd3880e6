"""The models file, prices, and the stream beside the stock one."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from chat_service.agent.chat_model import StreamingChat
from chat_service.agent.model import BadModelsFile, ModelConfig, Models, load_models
from tests.chat_service.agent.conftest import KEY, Bench
from tests.support.scripted_model import DONE, call, calls, ends, says, scripted_model

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
        (GOOD.replace("premium", "premum"), "models.1.premum: Extra inputs"),
        (GOOD.replace("150000", "-1"), "models.0.input_price"),
        (GOOD, "SMALL_KEY is not set"),
        ("", "file: Input should be"),
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


REPLY = [
    says("Hel"),
    says("lo"),
    calls(call("a", '{"x"', index=0, id="c1"), call("b", "{}", index=1, id="c2")),
    calls({"index": 0, "function": {"arguments": ": 1}"}}),
    ends("tool_calls"),
    DONE,
]


async def test_the_lean_stream_gives_what_the_stock_one_gives() -> None:
    async with scripted_model(REPLY, REPLY) as model:
        stock = await _message(ChatOpenAI, model.base_url)
        lean = await _message(StreamingChat, model.base_url)

    assert (lean.content, lean.tool_calls, lean.usage_metadata, lean.response_metadata) == (
        stock.content,
        stock.tool_calls,
        stock.usage_metadata,
        stock.response_metadata,
    )
    assert model.asked[0] == model.asked[1]


async def _message(kind: type[ChatOpenAI], base_url: str) -> AIMessage:
    chat: Any = kind(model="scripted", base_url=base_url, api_key=SecretStr("k"), stream_usage=True)
    found: AIMessageChunk | None = None
    async for chunk in chat.astream("go"):
        found = chunk if found is None else found + chunk
    assert found is not None
    return found


async def test_the_key_goes_to_the_provider(bench: Bench) -> None:
    assert bench.model().chat().openai_api_key == SecretStr(KEY)
