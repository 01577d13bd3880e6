"""What a provider does wrong: tried again, retracted, and refused without its words."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import httpx2
import openai
import pytest

from chat_service.llm import errors as llm_errors
from chat_service.llm.retry import MODEL, RetryPolicies
from chat_service.runtime.events import Retrying, TextDelta, TextRetracted
from chat_service.runtime.ports import SavedAutomation, StartMode
from chat_service.runtime.run_context import AgentDeps, AgentRun, RunContext
from chat_service.tools.automations.drafts.drafter import DraftRequest, run_drafter
from shared import errors
from shared.clock import ManualClock
from shared.registries.catalogue import current_catalogue
from shared.retry import exponential
from tests.chat_service.agent_bench import NOW, Bench, text_of
from tests.support.model_providers.scripted_model import DONE, Refused, ends, says, scripted_model
from tests.support.service_parts.checks import CHECKS


async def test_a_rate_limit_before_the_first_word_is_waited_out(bench: Bench) -> None:
    bench.demo.controls.fail(2, status=429, retry_after=3)

    events = await bench.all("hello")

    retries = [e for e in events if isinstance(e, Retrying)]
    assert [e.after for e in retries] == [timedelta(seconds=3)] * 2
    assert bench.waits.seconds == [3, 3]
    assert not [e for e in events if isinstance(e, TextRetracted)]
    assert {e.block for e in events if isinstance(e, TextDelta)} == {0}
    assert text_of(events).startswith("Hello!")


@pytest.mark.parametrize("fault", ["err_after=4", "drop_after=4"])
async def test_what_a_broken_call_had_said_is_retracted_and_said_anew(
    bench: Bench, fault: str
) -> None:
    events = await bench.all(f"hello <<{fault};times=1>>")

    retracted = next(i for i, e in enumerate(events) if isinstance(e, TextRetracted))
    assert events[retracted] == TextRetracted(from_block=0)
    assert isinstance(events[retracted + 1], Retrying)
    assert text_of(events[:retracted], block=0)
    assert text_of(events[retracted:], block=1).startswith("Hello! I am")
    assert text_of(events, block=1) == text_of(events[retracted:])


async def test_a_lasting_rate_limit_ends_in_a_refusal_that_says_how_long(bench: Bench) -> None:
    bench.demo.controls.fail(9, status=429, retry_after=7)
    stream = bench.stream("hello")

    with pytest.raises(errors.ModelRateLimited) as caught:
        await stream.all()

    assert caught.value.retry_after == timedelta(seconds=7)
    assert caught.value.metadata == {
        "model_config": "-1",
        "status": "429",
        "code": "rate_limit_exceeded",
    }
    assert len(bench.demo.controls.log()) == 3
    assert [type(e) for e in stream.events] == [Retrying, Retrying]


async def test_a_lasting_rate_limit_in_the_middle_leaves_nothing_standing(bench: Bench) -> None:
    stream = bench.stream("hello", model=bench.model("demo-mid429"))

    with pytest.raises(errors.ModelRateLimited):
        await stream.all()

    retracted = [e.from_block for e in stream.events if isinstance(e, TextRetracted)]
    assert retracted == [0, 1, 2]
    assert isinstance(stream.events[-1], TextRetracted)


async def test_another_model_goes_on_after_a_refusal(bench: Bench) -> None:
    with pytest.raises(errors.ModelRateLimited):
        await bench.all("hello", model=bench.model("demo-limited"))

    events = await bench.all("hello", mode=StartMode.RETRY_OTHER_MODEL)

    assert text_of(events, block=0).startswith("Hello!")


async def test_a_long_wait_is_left_to_the_caller(bench: Bench) -> None:
    bench.demo.controls.fail(9, status=429, retry_after=120)

    with pytest.raises(errors.ModelRateLimited) as caught:
        await bench.all("hello")

    assert caught.value.retry_after == timedelta(seconds=120)
    assert len(bench.demo.controls.log()) == 1


@pytest.mark.parametrize(
    ("status", "tries", "said"),
    [
        (500, 3, "failed"),
        (503, 3, "failed"),
        (400, 1, "refused the request"),
        (401, 1, "refused the key"),
        (403, 1, "does not allow this with the key"),
        (404, 1, "knows no such model"),
    ],
)
async def test_a_failing_provider_is_unavailable_and_never_quoted(
    bench: Bench, status: int, tries: int, said: str
) -> None:
    bench.demo.controls.fail(9, status=status)

    with pytest.raises(errors.ModelUnavailable) as caught:
        await bench.all("hello")

    assert (
        caught.value.message == f"the model's provider {said} (status {status}, code server_error)"
    )
    told = {name: caught.value.metadata[name] for name in ("status", "code")}
    assert told == {"status": str(status), "code": "server_error"}
    assert len(bench.demo.controls.log()) == tries


async def test_a_provider_that_is_not_there_is_unavailable(bench: Bench) -> None:
    bench.ask_at("http://127.0.0.1:1/v1")

    with pytest.raises(errors.ModelUnavailable):
        await bench.all("hello")


async def test_a_drafter_that_is_limited_is_waited_for(bench: Bench) -> None:
    bench.demo.controls.fail(2, status=429, kind="drafter")

    assert await bench.paused("every weekday at 9 in Paris summarise the news")


@pytest.mark.parametrize(
    ("status", "refusal"), [(429, errors.ModelRateLimited), (500, errors.ModelUnavailable)]
)
async def test_a_drafter_that_fails_for_good_ends_the_stream_so_that_another_model_drafts(
    bench: Bench, status: int, refusal: type[errors.RotaError]
) -> None:
    asked = "every weekday at 9 in Paris summarise the news"
    bench.demo.controls.fail(3, status=status, kind="drafter")
    with pytest.raises(refusal):
        await bench.all(asked)

    (approval,) = await bench.paused(
        asked, mode=StartMode.RETRY_OTHER_MODEL, model=bench.model("demo-b")
    )

    assert [seen.model for seen in bench.demo.controls.log("drafter")][-1] == "demo-b"
    assert list(bench.approvals.drafts) == [approval]
    # what the main agent had said and called is in the checkpoint
    assert len(bench.demo.controls.log("chat")) == 1


async def test_a_drafter_that_never_ends_is_given_up(bench: Bench) -> None:
    bench.demo.controls.hold(kind="drafter")
    deps = AgentDeps(
        approvals=bench.approvals,
        claims=bench.acts,
        automations=bench.automations,
        catalogue=current_catalogue,
        checks=CHECKS,
        clock=ManualClock(NOW),
        retry=RetryPolicies(model=replace(MODEL, maximum_attempts=1), model_seconds=0.2),
    )
    run = AgentRun(
        deps=deps,
        context=RunContext(runtime=bench.context(), model=bench.model(), task=None, segment=""),
    )

    async def accept(found: object) -> SavedAutomation:
        raise AssertionError

    said = "every day at nine"
    request = DraftRequest(tool="create_automation", asked=said, words=said, accept=accept)
    async with asyncio.timeout(30):
        with pytest.raises(errors.ModelUnavailable):
            await run_drafter(run, request, lambda _: None)

    assert run.state.meter.usage()[0].estimated


# of providers and of what stands before them
PASSING = (408, 409, 425, 498, 499, 500, 501, 504, 507, 520, 521, 524, 525, 529, 530, 598, 599)


def _status(status: int, body: object = None, **headers: str) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://model/")
    response = httpx2.Response(status, request=request, headers=headers)
    return openai.APIStatusError("said by the provider", response=response, body=body)


def _midway(code: str) -> openai.APIError:
    request = httpx2.Request("POST", "http://model/")
    return openai.APIError("said by the provider", request=request, body={"code": code})


def _texted(message: str) -> openai.APIError:
    request = httpx2.Request("POST", "http://model/")
    return openai.APIError(message, request=request, body=None)


@pytest.mark.parametrize(
    ("exc", "limited", "transient"),
    [
        (_status(429), True, True),
        (_status(429, {"code": "insufficient_quota"}), False, False),
        (_midway("rate_limit_exceeded"), True, True),
        (_midway("rate_limit_error"), True, True),
        (_midway("RateLimitReached"), True, True),
        (_midway("insufficient_quota"), False, False),
        (_midway("server_error"), False, True),
        (_midway("content_filter"), False, False),
        (_status(502), False, True),
        (_status(422), False, False),
        (TimeoutError(), False, True),
        (openai.APITimeoutError(httpx2.Request("POST", "http://model/")), False, True),
        (_texted("upstream said: HTTP 429"), True, True),
        (_texted("Rate limit exceeded, slow down"), True, True),
        (_texted("Error code: 429 - {'error': {}}"), True, True),
        (_texted("Too Many Requests"), True, True),
        (_texted("Error code: 429 - insufficient_quota"), False, False),
        (_texted("You are being rate-limited"), True, True),
        (_texted("Rate limited by upstream"), True, True),
        (_texted("upstream: rate_limit"), True, True),
        (_texted('{"error": {"code": 429, "message": "wait"}}'), True, True),
        (_texted('provider said {"error": {"type": "invalid_request_error"}}'), False, False),
        (_status(400, {"message": '{"error": {"code": 503, "message": "busy"}}'}), False, True),
        (_status(502, {"metadata": {"raw": '{"error": {"code": 429}}'}}), True, True),
        (_status(400, {"code": "Throttling.RateQuota"}), True, True),
        (_status(429, {"message": "Check your plan and billing."}), False, False),
        (
            _status(429, {"message": "Check plan and billing.", "status": "RESOURCE_EXHAUSTED"}),
            True,
            True,
        ),
        (_status(400, {"code": "tool_use_failed"}), False, False),
        (_midway("tool_use_failed"), False, False),
        (_status(302), False, False),
        *((_status(code), False, True) for code in PASSING),
        (_texted("the moderate limit"), False, True),
        (llm_errors.EmptyResponse("stop"), False, True),
        (llm_errors.EmptyResponse("length"), False, False),
        (llm_errors.EmptyResponse("content_filter"), False, False),
    ],
)
def test_faults_are_told_apart(exc: Exception, limited: bool, transient: bool) -> None:
    found = llm_errors.classify_error(exc)

    assert (found.rate_limited, found.transient) == (limited, transient)


@pytest.mark.parametrize(
    ("exc", "account"),
    [
        (_status(401), True),
        (_status(402), True),
        (_status(403), True),
        (_status(429, {"code": "insufficient_quota"}), True),
        (_status(429, {"message": "Your credit balance is too low."}), True),
        (_status(400, {"message": "API key not valid. Please pass a valid API key."}), True),
        (_midway("insufficient_quota"), True),
        (_midway("402"), True),
        (_midway("billing_hard_limit_reached"), True),
        (_status(403, {"message": "Your input was flagged by moderation."}), False),
        (_status(429), False),
        (_status(400), False),
        (_status(404), False),
        (_status(503, {"message": "The billing service is down."}), False),
        (_midway("server_error"), False),
    ],
)
def test_a_refused_account_is_told_from_a_refused_request(exc: Exception, account: bool) -> None:
    found = llm_errors.classify_error(exc)

    assert found.account == account
    assert not (found.account and found.transient)
    # Whoever reads the error knows that the same call is refused again.
    told = {"account", "request"} & set(found.refusal(-1).metadata)
    assert told == ({"account"} if found.account else set() if found.transient else {"request"})


async def test_an_answer_that_its_provider_cannot_read_is_asked_for_once_more(
    bench: Bench,
) -> None:
    failed = [Refused(400, {"code": "tool_use_failed", "type": "invalid_request_error"})]
    async with scripted_model(failed, [says("Hello."), ends(), DONE], failed, failed) as model:
        bench.ask_at(model.base_url)
        assert text_of(await bench.all("hello")) == "Hello."
        bench.turn = uuid4()
        with pytest.raises(errors.ModelUnavailable):
            await bench.all("hello")

    assert len(model.asked) == 4


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_no_redirect_is_followed(bench: Bench, status: int) -> None:
    async with scripted_model([says("Hello."), ends(), DONE]) as other:
        there = f"{other.base_url}/chat/completions"
        async with scripted_model([Refused(status, {}, location=there)]) as model:
            bench.ask_at(model.base_url)
            with pytest.raises(errors.ModelUnavailable, match="redirects to another address"):
                await bench.all("hello")

    assert (len(model.asked), len(other.asked)) == (1, 0)


@pytest.mark.parametrize(
    ("header", "seconds"), [("2", 2), ("0.5", 0.5), ("-3", 0), ("soon", None), ("1e9", 3600)]
)
def test_retry_after_is_read_with_care(header: str, seconds: float | None) -> None:
    found = llm_errors.classify_error(_status(429, **{"retry-after": header})).retry_after

    assert found == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("ahead", "least", "most"), [(1800, 60, 1800), (-90, 0, 0), (9e6, 3600, 3600)]
)
def test_retry_after_may_be_a_date(ahead: float, least: float, most: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)

    found = llm_errors.classify_error(_status(429, **{"retry-after": date})).retry_after

    assert found is not None
    assert timedelta(seconds=least) <= found <= timedelta(seconds=most)


def test_waits_double_and_end() -> None:
    policy = replace(MODEL, maximum_attempts=4, interval=exponential(1, 20))
    waits = [policy.backoff(attempt) for attempt in (1, 2, 3, 4)]

    assert waits[3] is None
    assert [0.75 <= w.total_seconds() / 2**i <= 1 for i, w in enumerate(waits[:3]) if w] == [
        True,
        True,
        True,
    ]
