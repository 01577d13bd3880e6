"""What an error names of its cause: short names and numbers, never words, keys or addresses."""

from typing import Any

import pytest

from chat_service.llm.errors import RATE_LIMITED
from chat_service.llm.features.request_settings import RequestSettings
from chat_service.llm.provider_cause import MAX_CODE, MAX_PARAMETER
from chat_service.runtime.events import Retrying
from shared import errors
from tests.chat_service.agent_bench import KEY, Bench
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

CREATE = "create_automation"
REFUSED = {"model_config": "-1", "request": "refused"}
WORDS = "It is not possible for this model to go on."
OPENAI = {"message": WORDS, "code": "unsupported_value", "param": "temperature"}


async def failed(bench: Bench, *replies: Reply, **settings: Any) -> errors.RotaError:
    async with scripted_model(*replies) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.RotaError) as caught:
            await bench.all("hello", model=bench.model(**settings))
    return caught.value


def refusing(status: int, error: Any = None, **body: Any) -> Reply:
    return [Refused(status, error or {}, body=body or None)]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refusing(400, OPENAI), ("400", "unsupported_value", "temperature")),
        (refusing(400, {"message": WORDS, "type": "bad_input"}), ("400", "bad_input", None)),
        (refusing(400, {"message": WORDS, "code": 400, "type": "bad"}), ("400", "bad", None)),
        (refusing(400, {"message": WORDS, "code": 20015}), ("400", "20015", None)),
        (
            refusing(422, detail=[{"loc": ["body", "tools", 0, "type"], "msg": WORDS}]),
            ("422", None, "body.tools.0.type"),
        ),
        (
            refusing(
                400, {"message": '{"error": {"code": "inner", "param": "user"}}', "code": 400}
            ),
            ("400", "inner", "user"),
        ),
        ([{"error": {"code": 401, "message": "No such account."}}], ("401", None, None)),
        (refusing(400, {"message": WORDS, "code": WORDS, "param": WORDS}), ("400", None, None)),
        (refusing(400, {"message": WORDS, "code": KEY, "param": KEY}), ("400", None, None)),
        (refusing(400, {"message": WORDS, "code": f"bad.{KEY}"}), ("400", None, None)),
        (
            refusing(400, {"message": WORDS, "code": "sk-proj-a1b2c3d4e5f6"}),
            ("400", None, None),
        ),
        (
            refusing(400, {"message": WORDS, "code": "https://a:b@c.example/", "param": "a/b"}),
            ("400", None, None),
        ),
        (
            refusing(
                400,
                {
                    "message": WORDS,
                    "code": "c" * (MAX_CODE + 1),
                    "param": "p" * (MAX_PARAMETER + 1),
                },
            ),
            ("400", None, None),
        ),
        (refusing(400, {"message": WORDS, "code": True, "param": ["a"]}), ("400", None, None)),
        # of the words nothing is told but a part that the request has
        (
            refusing(400, {"message": "Unsupported parameter: 'model_kwargs'."}),
            ("400", None, None),
        ),
    ],
)
async def test_an_error_names_status_code_and_parameter_and_quotes_nothing(
    bench: Bench, reply: Reply, told: tuple[str | None, ...]
) -> None:
    error = await failed(bench, reply)

    assert tuple(map(error.metadata.get, ("status", "code", "parameter"))) == told
    assert set(error.metadata) <= {"model_config", "status", "code", "parameter"} | {
        "account",
        "request",
    }
    for text in (error.message, *error.metadata.values()):
        assert WORDS not in text
        assert KEY not in text
        assert "a1b2c3" not in text


async def test_a_parameter_that_only_the_words_name_is_told_by_the_name_it_has_here(
    bench: Bench,
) -> None:
    refused = refusing(400, {"message": "temperature does not support 0.5 with this model"})
    by_hand = RequestSettings(temperature=0.5)

    error = await failed(bench, refused, settings=by_hand)

    assert error.metadata == {**REFUSED, "status": "400", "parameter": "temperature"}
    assert error.message.endswith("refused the request (status 400, parameter temperature)")


async def test_a_draft_that_is_refused_names_the_cause(bench: Bench) -> None:
    asked = calls(call(CREATE, '{"intent": "every day"}', index=0, id="c"))
    calling = [asked, ends("tool_calls"), DONE]
    error = await failed(bench, calling, refusing(401, {"message": WORDS, "code": "bad_key"}))

    assert error.metadata["account"] == "refused"
    assert (error.metadata["status"], error.metadata["code"]) == ("401", "bad_key")


@pytest.mark.parametrize(
    ("reply", "reason", "told"),
    [
        (
            refusing(503, {"message": WORDS, "code": "overloaded"}),
            "the model's provider failed (status 503, code overloaded)",
            {"status": "503", "code": "overloaded"},
        ),
        (refusing(429, {"message": WORDS}), RATE_LIMITED, {"status": "429"}),
        ([says("Hel")], "the model's answer broke off", {}),
    ],
)
async def test_a_retry_names_its_true_reason(
    bench: Bench, reply: Reply, reason: str, told: dict[str, str]
) -> None:
    async with scripted_model(reply, [says("Hello."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    (retry,) = [event for event in events if isinstance(event, Retrying)]
    assert (retry.reason, dict(retry.metadata)) == (reason, told)
