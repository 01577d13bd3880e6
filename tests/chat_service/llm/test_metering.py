"""What a model call used when nobody told: by a stated estimate."""

from typing import Any

import httpx2
import openai
import pytest
from langchain_core.messages import HumanMessage

from chat_service.llm import errors
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.metering import Meter
from chat_service.llm.usage import ModelUsage, estimate_request_tokens
from tests.support.model_providers.scripted_model import DONE, ends, says, scripted_model

HELLO = [HumanMessage("hello")]
CONFIG = ModelConfig(
    id=-1, display_name="m", model="m", premium=True, input_price=1_000_000, output_price=2_000_000
)


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ({}, 0),
        ({"messages": [{"role": "user", "content": "12345678"}]}, 6),  # 23 bytes, names included
        ({"messages": [{"content": "ééé"}]}, 4),  # 13 bytes
        ({"model": "m" * 400, "stream": True}, 0),
        ({"tools": [{"function": {"name": "now", "strict": None}}]}, 6),  # 21 bytes
        ({"messages": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]}, 1_003),
    ],
)
def test_a_token_is_four_bytes_of_what_is_sent_and_an_image_a_thousand(
    asked: dict[str, object], tokens: int
) -> None:
    assert estimate_request_tokens(asked) == tokens


async def test_a_call_in_hand_is_estimated_and_one_that_ended_is_not() -> None:
    meter, progress = Meter(), CallProgress()
    call = meter.start(CONFIG, progress)
    assert meter.usage() == []
    async with scripted_model([says("a word and another"), ends(), DONE]) as model:
        config = ModelConfig(id=-1, display_name="m", model="m", base_url=model.base_url)
        heard: list[list[ModelUsage]] = []
        answer = (
            await ModelBundle(config=config)
            .chat()
            .answer(HELLO, progress=progress, on_chunk=lambda _: heard.append(meter.usage()))
        )
    (cut,) = heard[0]
    assert (cut.estimated, cut.premium, cut.call) == (True, True, call.id)
    assert cut.output_tokens == 5  # 18 bytes
    assert cut.cost_micros == cut.input_tokens + 2 * cut.output_tokens
    assert meter.lost_micros() == cut.cost_micros
    told = meter.record(call, answer)
    assert (told.estimated, told.input_tokens, told.call) == (False, 10, call.id)
    assert meter.usage() == [told]
    assert meter.lost_micros() == 0


async def test_a_provider_that_tells_no_usage_is_estimated() -> None:
    meter, progress = Meter(), CallProgress()
    call = meter.start(CONFIG, progress)
    end = {**ends(), "usage": None}
    async with scripted_model([says("a word and another"), end, DONE]) as model:
        config = ModelConfig(id=-1, display_name="m", model="m", base_url=model.base_url)
        answer = await ModelBundle(config=config).chat().answer(HELLO, progress=progress)
    told = meter.record(call, answer)
    assert (told.estimated, told.output_tokens) == (True, 5)


def test_a_call_that_was_given_up_before_a_word_costs_what_it_was_sent() -> None:
    meter = Meter()
    call = meter.start(CONFIG, CallProgress(request={"messages": ["12345678"]}))
    meter.fail(call, timed_out=True)
    (used,) = meter.usage()
    assert (used.input_tokens, used.output_tokens, used.estimated) == (2, 0, True)
    assert meter.silent_usage() == [used]
    assert meter.lost_micros() == used.cost_micros == 2


def caused(exc: Exception, by: Exception) -> Exception:
    exc.__cause__ = by
    return exc


REQUEST: Any = httpx2.Request("POST", "http://127.0.0.1/")


@pytest.mark.parametrize(
    ("fault", "given_up"),
    [
        (TimeoutError(), True),
        (caused(openai.APITimeoutError(REQUEST), httpx2.ReadTimeout("")), True),
        (caused(openai.APITimeoutError(REQUEST), httpx2.ConnectTimeout("")), False),
        (openai.APIConnectionError(request=REQUEST), False),
    ],
    ids=["our deadline", "no answer", "no connection", "a broken connection"],
)
def test_what_was_sent_and_not_waited_for_was_given_up(fault: Exception, given_up: bool) -> None:
    assert errors.has_timed_out(fault) is given_up


def test_a_call_that_failed_before_a_word_cost_nothing() -> None:
    meter = Meter()
    silent = meter.start(CONFIG, CallProgress(request={"messages": ["hello"]}))
    spoke = meter.start(CONFIG, CallProgress(request={"messages": ["hello"]}, bytes_written=3))
    for call in (silent, spoke):
        meter.fail(call)
    assert [used.call for used in meter.usage()] == [spoke.id]
