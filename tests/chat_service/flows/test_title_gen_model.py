"""A title for a thread."""

import asyncio

import pytest

from chat_service.flows.title_gen import generate_title
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.metering import Meter
from tests.chat_service.agent_bench import Bench
from tests.support.model_providers.scripted_model import DONE, Reply, ends, says, scripted_model


def _model(base_url: str) -> ModelBundle:
    return ModelBundle(config=ModelConfig(id=-1, display_name="m", model="m", base_url=base_url))


async def test_a_title_is_found_and_accounted_for(bench: Bench) -> None:
    meter = Meter()
    found = await generate_title(
        bench.model(), "every weekday at nine summarise the news from Paris", meter
    )

    assert found == "Every weekday at nine summarise the"
    (used,) = meter.usage()
    assert used.output_tokens > 0
    assert not used.estimated
    assert bench.demo.controls.log()[0].kind == "title"


@pytest.mark.parametrize(
    ("said", "title_"),
    [
        ('"News from Paris"\n', "News from Paris"),
        ("«Nouvelles de Paris»", "Nouvelles de Paris"),
        ("'It''s' news", "It''s' news"),
        ("a\x00b\n c", "a\ufffdb c"),
        ("<think>A short one.</think>\n**Title:** News from Paris", "News from Paris"),
        ('```json\n{"title": "News from Paris"}\n```', "News from Paris"),
    ],
)
async def test_a_title_is_one_plain_line(said: str, title_: str) -> None:
    async with scripted_model([says(said), ends(), DONE]) as model:
        found = await generate_title(_model(model.base_url), "hello", Meter())

    assert found == title_


async def test_a_long_title_is_cut() -> None:
    async with scripted_model([says("long " * 100), ends(), DONE]) as model:
        found = await generate_title(_model(model.base_url), "hello", Meter())

    assert 0 < len(found) <= 100


async def test_only_the_beginning_is_read() -> None:
    async with scripted_model([says("T"), ends(), DONE]) as model:
        await generate_title(_model(model.base_url), "x" * 900, Meter())

    assert model.asked[0]["messages"][1]["content"] == "x" * 500


async def test_a_model_that_fails_gives_none(bench: Bench) -> None:
    bench.demo.controls.fail(1, status=500)
    meter = Meter()

    assert await generate_title(bench.model(), "hello", meter) == ""
    assert await generate_title(bench.model(), "   ", meter) == ""
    assert meter.usage() == []


async def test_a_model_that_never_ends_gives_none_and_is_accounted_for(bench: Bench) -> None:
    bench.demo.controls.hold(kind="title")
    meter = Meter()

    async with asyncio.timeout(30):
        assert await generate_title(bench.model(), "hello", meter, seconds=0.2) == ""

    assert [used.estimated for used in meter.usage()] == [True]


async def test_a_model_that_says_nothing_gives_none_and_is_accounted_for() -> None:
    meter = Meter()
    async with scripted_model([says('""'), ends(), DONE]) as model:
        assert await generate_title(_model(model.base_url), "hello", meter) == ""

    assert [used.output_tokens for used in meter.usage()] == [5]


@pytest.mark.parametrize(
    "reply",
    [
        [says(None, refusal="I can't help with that."), ends(), DONE],
        [says("News fr"), ends("content_filter"), DONE],
    ],
    ids=["refused", "withheld"],
)
async def test_what_is_refused_or_withheld_is_no_title(reply: Reply) -> None:
    meter = Meter()
    async with scripted_model(reply) as model:
        assert await generate_title(_model(model.base_url), "hello", meter) == ""
    assert [used.output_tokens for used in meter.usage()] == [5]
