"""What a probe finds of a model: a table of providers' habits, over real HTTP."""

import ipaddress
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from chat_service.llm import custom_endpoint
from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.features.request_settings import RequestSettings
from chat_service.llm.probe.model_probe import (
    MAX_LIST_BYTES,
    MOST_CALLS,
    FeatureResult,
    ModelProbe,
    ProbeReport,
)
from shared.security.egress import Address
from tests.support.model_providers.habit_server import NAMES
from tests.support.model_providers.habit_server import answer as answer_of_habit
from tests.support.model_providers.provider_refusals import REFUSALS, has
from tests.support.model_providers.scripted_model import (
    DONE,
    End,
    Refused,
    Reply,
    ScriptedModel,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

KEY = "sk-of-nobody-else-4711"
FINE = {
    "connection": "works",
    "stream": "works",
    "usage": "works",
    "tools": "works",
    "tool_results": "works",
    "json_schema": "works",
    "json_object": "works",
    "images": "works",
    "context_tokens": "not_told",
    "max_tokens": "not_told",
}
TOO_MUCH = "max_tokens is too large: 100000000. This model supports at most 16384 tokens."
Answer = Callable[[dict[str, Any]], Reply]


def able(asked: dict[str, Any]) -> Reply:
    """Answers like a provider that takes everything."""
    if asked.get("tools") and asked["messages"][-1]["role"] == "user":
        return [calls(call("echo", '{"text": "ok"}', index=0, id="c1")), ends("tool_calls"), DONE]
    text = '{"word": "ok"}' if "response_format" in asked else "ok"
    return [says(text), ends(), DONE]


def silent(_: dict[str, Any]) -> Reply:
    return [End.OPEN]


def refusing(part: str, reply: Refused) -> Answer:
    return lambda asked: [reply] if _has(part, asked) else able(asked)


def _has(part: str, asked: dict[str, Any]) -> bool:
    if part == "images":
        return "image_url" in json.dumps(asked["messages"])
    if part == "much":
        limits = (asked.get(name, 0) for name in ("max_completion_tokens", "max_tokens"))
        return any(limit > 100_000 for limit in limits)
    return bool(has(part, asked))


def error(status: int, message: str, **more: Any) -> Refused:
    return Refused(status, {"message": message, **more})


async def probe(
    answer: Answer, *, models: Any = None, seconds: float = 10.0, **settings: Any
) -> tuple[ProbeReport, ScriptedModel]:
    async with scripted_model(answer=answer) as model:
        model.models = models
        report = await ModelProbe(model=bundle(model.base_url, **settings), seconds=seconds).run()
    return report, model


def bundle(base_url: str, **settings: Any) -> ModelBundle:
    config = ModelConfig(
        id=-1,
        display_name="m",
        model="m",
        base_url=base_url,
        api_key=SecretStr(KEY),
        settings=RequestSettings(**settings),
    )
    return ModelBundle(config=config)


def outcomes(report: ProbeReport) -> dict[str, str]:
    return {one.feature: one.outcome.value for one in report.results}


def result(report: ProbeReport, feature: str) -> FeatureResult:
    return next(one for one in report.results if one.feature == feature)


async def test_a_model_that_takes_everything_needs_no_settings() -> None:
    report, model = await probe(able)

    assert outcomes(report) == FINE
    assert (report.leave_out, report.response_format) == (frozenset(), None)
    assert (report.supports_images, report.context_tokens) == (True, 0)
    assert len(model.asked) <= MOST_CALLS
    assert all("stream" in asked for asked in model.asked)


@pytest.mark.parametrize(
    ("answer", "found", "leave_out", "form"),
    [
        (
            refusing("json_schema", error(400, "This response_format type is unavailable now")),
            {"json_schema": "refused"},
            set(),
            "json_object",
        ),
        (
            refusing("response_format", error(400, "response_format is not supported")),
            {"json_schema": "refused", "json_object": "refused"},
            set(),
            "none",
        ),
        (
            refusing("tools", error(400, "m does not support tools")),
            {"tools": "refused", "tool_results": "not_told"},
            {"tools"},
            None,
        ),
        (
            refusing("stream_options", error(400, "Unknown parameter: stream_options")),
            {"stream_options": "refused"},
            {"stream_options"},
            None,
        ),
        (
            refusing("temperature", error(400, "Unsupported value: temperature is not 0")),
            {"temperature": "refused"},
            {"temperature"},
            None,
        ),
        (refusing("images", error(422, "unknown variant")), {"images": "refused"}, set(), None),
        (
            lambda asked: able({k: v for k, v in asked.items() if k != "tools"}),
            {"tools": "not_told", "tool_results": "not_told"},
            set(),
            None,
        ),
        (
            lambda asked: able({k: v for k, v in asked.items() if k != "response_format"}),
            {"json_schema": "not_told", "json_object": "not_told"},
            set(),
            None,
        ),
        (
            lambda asked: (
                [one for one in able(asked) if one is not DONE and "usage" not in one]
                + [{**ends("stop"), "usage": None}, DONE]
            ),
            {"usage": "not_told", "tools": "works"},
            set(),
            None,
        ),
    ],
)
async def test_a_habit_is_found_and_has_its_settings(
    answer: Answer, found: dict[str, str], leave_out: set[str], form: str | None
) -> None:
    report, model = await probe(answer)

    assert outcomes(report) == {**FINE, **found}
    assert (set(report.leave_out), report.response_format) == (leave_out, form)
    assert len(model.asked) <= MOST_CALLS


async def test_every_known_refusal_of_a_part_is_found_where_the_part_is_met() -> None:
    """One server plays all of them, since a client is made for each address."""
    async with scripted_model(answer=able) as model:
        one_each = {(refusal.part, refusal.feature): habit for habit, refusal in REFUSALS.items()}
        for habit, refusal in ((name, REFUSALS[name]) for name in one_each.values()):
            model.answer = refusing(refusal.part, refusal.reply)
            model.asked.clear()
            report = await ModelProbe(model=bundle(model.base_url)).run()

            assert report.reached, habit
            assert len(model.asked) <= MOST_CALLS, habit
            if not any(has(refusal.part, asked) for asked in model.asked):
                continue
            refused = {one.feature for one in report.results if one.outcome.value == "refused"}
            feature = refusal.feature or refusal.part
            named = "json_object" if feature == "response_format" else feature
            assert named in refused | report.leave_out, habit
            if refusal.reply.status != 200:
                told = {one.metadata.get("status") for one in report.results if one.metadata}
                assert told == {str(refusal.reply.status)}, habit


@pytest.mark.parametrize(
    ("answer", "said", "metadata"),
    [
        (
            lambda _: [error(401, f"Bad key {KEY}", code="invalid_api_key")],
            "refused the key",
            {"status": "401", "code": "invalid_api_key", "account": "refused"},
        ),
        (
            lambda _: [error(402, "Pay", code="insufficient_quota")],
            "no credit left",
            {"status": "402", "code": "insufficient_quota", "account": "refused"},
        ),
        (
            lambda _: [error(404, "The model m does not exist", code="model_not_found")],
            "knows no such model",
            {"status": "404", "code": "model_not_found", "request": "refused"},
        ),
        (
            lambda _: [Refused(404, body=b"<html>Not here</html>")],
            "does not speak an OpenAI-compatible protocol",
            {"status": "404", "request": "refused"},
        ),
        (
            lambda _: [Refused(200, body=b"<html>Welcome</html>")],
            "does not speak an OpenAI-compatible protocol",
            {},
        ),
        (lambda _: [Refused(302, location="https://b.example/")], "redirects", {"status": "302"}),
        (lambda _: [error(429, "Slow down")], "limits the rate", {"status": "429"}),
        (silent, "did not answer in time", {}),
    ],
)
async def test_a_model_that_is_not_reached_says_why_and_has_no_settings(
    answer: Answer, said: str, metadata: dict[str, str]
) -> None:
    report, model = await probe(answer, seconds=0.3 if answer is silent else 10)

    connection = report.results[0]
    assert (connection.feature, connection.outcome.value) == ("connection", "failed")
    assert said in connection.detail
    assert metadata.items() <= connection.metadata.items()
    assert KEY not in str(report)
    assert {one.outcome.value for one in report.results[1:]} == {"not_told"}
    assert (report.reached, report.leave_out, report.supports_images) == (False, frozenset(), None)
    assert len(model.asked) == 1


NO_PROTOCOL = "does not speak an OpenAI-compatible protocol"
NO_MODEL = "knows no such model"


async def test_a_404_about_a_model_is_of_the_model_and_any_other_is_of_the_address() -> None:
    no_such = {
        b'{"error": {"message": "The model `m` does not exist"}}': NO_MODEL,
        b'{"error": "model \'m\' not found, try pulling it first"}': NO_MODEL,
        b'{"detail": "Model m not found"}': NO_MODEL,
        b'{"message": "The deployment m does not exist", "status": 404}': NO_MODEL,
        b'{"error": {"code": 404, "message": "models/m is not found"}}': NO_MODEL,
        b'{"detail": "Not Found"}': NO_PROTOCOL,
        b'{"error": "Not Found"}': NO_PROTOCOL,
        b'{"message": "no Route matched with those values"}': NO_PROTOCOL,
        b'{"message": "Cannot POST /models/chat/completions"}': NO_PROTOCOL,
        b"<html>The model agency has no such page</html>": NO_PROTOCOL,
    }
    async with scripted_model() as model:
        for body, said in no_such.items():
            model.answer = lambda _, body=body: [Refused(404, body=body)]
            report = await ModelProbe(model=bundle(model.base_url)).run()
            assert said in report.results[0].detail, body


async def test_an_endpoint_that_is_not_there_could_not_be_reached() -> None:
    report = await ModelProbe(model=bundle("http://127.0.0.1:1/v1")).run()

    assert report.results[0].detail == "the model's provider could not be reached"


async def test_a_persons_own_endpoint_on_an_inner_address_is_not_called() -> None:
    async def resolve(_: str, __: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    async with (
        scripted_model(answer=able) as model,
        custom_endpoint.open_client(local=False, resolve=resolve) as client,
    ):
        named = bundle(model.base_url.replace("127.0.0.1", "models.example.org"))
        report = await ModelProbe(model=replace(named, client=client)).run()

    assert report.results[0].detail == "the model's address is not on the open internet"
    assert (model.asked, model.heads) == ([], [])


async def test_limits_are_those_that_the_provider_lists_or_names_in_a_refusal() -> None:
    listed = {"data": [{"id": "m", "max_model_len": 32768}]}
    report, _ = await probe(refusing("much", error(400, TOO_MUCH)), models=listed)

    assert result(report, "context_tokens").limit == report.context_tokens == 32768
    assert result(report, "max_tokens").limit == 16384


async def test_a_list_of_models_beyond_any_size_tells_nothing() -> None:
    one = {"id": "m", "max_model_len": 32768, "description": "x" * MAX_LIST_BYTES}
    report, _ = await probe(able, models={"data": [one]})

    assert report.context_tokens != 32768
    assert result(report, "context_tokens").limit != 32768


async def test_calls_are_bounded_however_much_is_refused() -> None:
    parts = ("stream_options", "temperature", "max_completion_tokens", "json_schema", "tools")

    def picky(asked: dict[str, Any]) -> Reply:
        found = [part for part in parts if has(part, asked)]
        return [error(400, f"{found[0]} is not supported")] if found else able(asked)

    report, model = await probe(picky)

    assert len(model.asked) <= MOST_CALLS
    assert {"stream_options", "max_completion_tokens"} <= report.leave_out


async def test_what_is_set_by_hand_is_sent_but_for_what_a_probe_finds() -> None:
    report, model = await probe(
        able,
        response_format="none",
        leave_out=frozenset({"tools", "logit_bias"}),
        extra_headers={"X-Team": "north"},
        extra_body={"seed": 7},
        temperature=1,
    )

    assert outcomes(report) == FINE
    assert (report.leave_out, report.response_format) == (frozenset({"logit_bias"}), None)
    assert {asked["seed"] for asked in model.asked} == {7}
    assert {asked["temperature"] for asked in model.asked} == {1}
    assert all("x-team: north" in head for head in model.heads)


async def test_usage_is_of_every_call_that_was_not_refused() -> None:
    async with scripted_model(answer=refusing("tools", error(400, "no tools here"))) as model:
        started = ModelProbe(model=bundle(model.base_url))
        await started.run()

    used = started.meter.usage()
    assert len(used) == len([one for one in model.asked if "tools" not in one])
    assert {(one.input_tokens, one.output_tokens) for one in used} == {(10, 5)}


async def test_no_habit_of_a_provider_breaks_a_probe() -> None:
    """One habit in four of those that the habit server plays."""
    async with scripted_model(answer=able) as model:
        for habit in NAMES[::4]:
            model.answer = partial(answer_of_habit, habit)
            model.asked.clear()
            report = await ModelProbe(model=bundle(model.base_url), seconds=2.0).run()

            assert report.results[0].feature == "connection", habit
            assert bool(report.results[0].detail) is not report.reached, habit
            assert 1 <= len(model.asked) <= MOST_CALLS, habit
