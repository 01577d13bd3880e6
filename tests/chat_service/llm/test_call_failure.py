"""What the operator's log says of a failed call: the provider's words, no key and no prompt."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from chat_service.flows.title_gen import generate_title
from chat_service.llm.call_failure import HIDDEN, MAX_MESSAGE, PROMPT
from chat_service.llm.metering import Meter
from chat_service.runtime.ports import TaskLimits
from shared import errors
from tests.chat_service.agent_bench import KEY, Bench
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    call,
    calls,
    ends,
    scripted_model,
)

ASKED = "the moon is made of Gouda, isn't it, dear Zanzibar?"


async def refusals(bench: Bench, *error: Any, asked: str = ASKED) -> list[dict[str, Any]]:
    """Returns the log of calls that a provider refuses with these errors."""
    replies = [one if isinstance(one, list) else [Refused(400, one)] for one in error]
    async with scripted_model(*replies) as model:
        bench.ask_at(model.base_url)
        with capture_logs() as logged, pytest.raises(errors.ModelUnavailable):
            await bench.all(asked)
    found = [dict(line) for line in logged if line["event"] == "model_call_failed"]
    return [{key: line[key] for key in line if key != "component"} for line in found]


async def test_a_refusal_names_its_status_code_and_parameter(bench: Bench) -> None:
    refused = {
        "message": "Unsupported parameter: 'top_p' is not supported with this model.",
        "type": "api_invalid_request_error",
        "param": "messages.0.content.1.image_url",
        "code": "unsupported_parameter",
    }
    (line,) = await refusals(bench, refused)

    assert line == {
        "event": "model_call_failed",
        "log_level": "warning",
        "model": -1,
        "error": "BadRequestError",
        "status": 400,
        **refused,
    }


async def test_an_error_within_a_stream_is_logged_too(bench: Bench) -> None:
    refused = [{"type": "error", "error": {"code": 401, "message": "No such account."}}]
    (line,) = await refusals(bench, refused)

    assert (line["status"], line["code"], line["message"]) == (401, 401, "No such account.")


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        f"key={KEY}&x=1",
        f"Incorrect API key provided: {KEY[:6]}*****{KEY[-4:]}.",
        "Bearer abcdef1234567890 is revoked",
        "Your key sk-proj-aB3dE5fG7hI9jK1lM3nO5 is revoked",
        f"{'x ' * 480}{KEY}",
    ],
)
async def test_a_key_is_hidden(bench: Bench, said: str) -> None:
    (line,) = await refusals(bench, {"message": said, "code": KEY, "param": f"key {KEY}"})

    assert KEY[:6] not in json.dumps(line)
    assert "B3dE5" not in line["message"]
    assert "abcdef1234" not in line["message"]
    assert line["code"] == HIDDEN


@pytest.mark.parametrize(
    "said",
    [
        f"Invalid input: {ASKED}",
        f"Invalid input: {ASKED.upper()}",
        f"Invalid input: {json.dumps({'content': ASKED})}",
        "I can't say whether the moon is made of that",
        "Invalid name 'Zanzibar'",
        f"{'x ' * 330}{ASKED}",
    ],
)
async def test_a_prompt_is_hidden(bench: Bench, said: str) -> None:
    (line,) = await refusals(bench, {"message": said, "code": "bad"})

    assert not [word for word in ("moon", "gouda", "zanzibar") if word in line["message"].lower()]
    assert PROMPT in line["message"] or len(line["message"]) == MAX_MESSAGE


@pytest.mark.parametrize("asked", ["hunter2", "open sesame"])
async def test_a_prompt_of_a_word_or_two_is_hidden(bench: Bench, asked: str) -> None:
    (line,) = await refusals(bench, {"message": f"No: {asked}!"}, asked=asked)

    assert line["message"] == f"No: {PROMPT}!"


async def test_the_instructions_of_the_agent_are_hidden(bench: Bench) -> None:
    said = "Bad message: You are Rota's assistant. You talk with a person, and you can set up work"
    (line,) = await refusals(bench, {"message": said})

    assert line["message"] == f"Bad message: {PROMPT}"


async def test_a_long_message_is_cut(bench: Bench) -> None:
    (line,) = await refusals(bench, {"message": "no " * 5_000, "code": "c" * 500})

    assert len(line["message"]) == MAX_MESSAGE
    assert len(line["code"]) == 80


async def test_every_kind_of_call_is_logged(bench: Bench) -> None:
    refused = [Refused(400, {"message": "No.", "code": "bad"})]
    drafts = [calls(call("create_automation", '{"intent":"x"}', index=0, id="c")), ends(), DONE]
    async with scripted_model(refused, refused, drafts, refused) as model:
        bench.ask_at(model.base_url)
        with capture_logs() as logged:
            await generate_title(bench.model(), "hello", Meter())
            with pytest.raises(errors.ModelUnavailable):
                await bench.task("hello", TaskLimits())
            with pytest.raises(errors.ModelUnavailable):
                await bench.all("hello")

    assert [line["code"] for line in logged if line["event"] == "model_call_failed"] == ["bad"] * 3
