"""What a step sends, and where to: written out, bounded, and under a key that stays."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from shared.registries.actions.deliver import (
    DELIVER,
    MAX_BODY,
    NO_OUTPUT,
    DeliverActionConfig,
    deliver,
    is_empty,
)
from shared.registries.actions.types import ActionContext, DeliveryRequest, LastOutput

RUN = str(UUID(int=7))
THREAD = "workspaces/w/threads/t"
SLACK = "workspaces/w/destinations/slack"


def context(output: Any = "News.", **more: Any) -> ActionContext:
    async def record(session: str) -> None:
        raise AssertionError

    said = {
        "workspace": "w",
        "user": "ada",
        "run": RUN,
        "step_id": "tell",
        "request_id": f"{RUN}:tell:1",
        "automation": "news",
        "display_name": "Morning news",
        "local_date": "2026-11-23",
        "last_output": LastOutput(output=output, step_id="news"),
        **more,
    }
    return ActionContext(agent=None, record_session=record, **said)  # type: ignore[arg-type]


async def made(output: Any = "News.", **config: Any) -> DeliveryRequest:
    result = await deliver({"to": ["inbox"], **config}, context(output))
    return result.deliveries[0]


async def test_each_destination_has_a_delivery_under_an_id_that_no_try_changes() -> None:
    config = {"to": ["inbox", THREAD, SLACK]}
    first = await deliver(config, context())
    again = await deliver(config, context(request_id=f"{RUN}:tell:2"))
    assert first == again
    assert [one.destination for one in first.deliveries] == config["to"]
    assert len({one.id for one in first.deliveries}) == 3
    assert first.output["deliveries"] == [
        f"workspaces/w/automations/news/runs/{RUN}/deliveries/{one.id}" for one in first.deliveries
    ]
    other = await deliver(config, context(step_id="tell-2"))
    assert not {one.id for one in other.deliveries} & {one.id for one in first.deliveries}


@pytest.mark.parametrize(
    ("output", "format_", "body"),
    [
        ("# News", "markdown", "# News"),
        ({"a": "ü"}, "markdown", '```json\n{\n  "a": "ü"\n}\n```'),
        ({"a": [1]}, "text", '{\n  "a": [\n    1\n  ]\n}'),
        ({"a": [1]}, "json", '{"a": [1]}'),
        ("News.", "json", '"News."'),
        ('{"a":1}', "json", '{"a":1}'),
        (None, "markdown", NO_OUTPUT),
        (None, "json", "null"),
        ("NaN", "json", '"NaN"'),
        ('{"a": -Infinity}', "json", '"{\\"a\\": -Infinity}"'),
        ({"a": [float("nan"), float("inf"), 1.5]}, "json", '{"a": [null, null, 1.5]}'),
    ],
)
async def test_the_body_is_the_last_output_as_the_format_writes_it(
    output: Any, format_: str, body: str
) -> None:
    one = await made(output, format=format_)
    assert (one.body, one.output_step_id) == (body, "news")


async def test_a_body_of_its_own_stands_in_place_of_the_output_and_beside_it() -> None:
    """What asks for the output as JSON gets it, whatever the text is."""
    one = await made(body="Look.", subject=" Two\n words ")
    assert (one.subject, one.body, one.output_step_id) == ("Two words", "Look.", "news")
    [alone] = (
        await deliver({"to": ["inbox"], "body": "Look."}, context(last_output=None))
    ).deliveries
    assert (alone.body, alone.output_step_id) == ("Look.", "")


async def test_the_subject_is_one_short_line_and_has_a_default() -> None:
    assert (await made()).subject == "Morning news 2026-11-23"
    assert (await made(subject="")).subject == "Morning news 2026-11-23"
    long = (await made(subject="x" * 300)).subject
    assert len(long) == 200
    assert long.endswith("…")


@pytest.mark.parametrize("output", ["ü" * MAX_BODY, {"a": "ü" * MAX_BODY}])
@pytest.mark.parametrize("format_", ["markdown", "text", "json"])
async def test_a_body_is_bounded_and_says_that_it_is_cut(output: Any, format_: str) -> None:
    body = (await made(output, format=format_)).body
    assert MAX_BODY - 100 < len(body.encode()) <= MAX_BODY
    assert "[Cut here: the text is longer than 262,144 bytes." in body[-100:]


@pytest.mark.parametrize(
    "value",
    [None, "", " \n", [], {}, {"items": [], "note": ""}, "[]", '{"items": []}', "null", '""'],
)
async def test_there_may_be_nothing_in_it(value: Any) -> None:
    assert is_empty(value)
    assert (await made(value, only="when_not_empty")).is_empty
    assert not (await made(value)).is_empty


@pytest.mark.parametrize("value", ["x", 0, False, [0], {"a": [{"b": "c"}]}, "[1", "nothing new"])
def test_there_is_something_in_it(value: Any) -> None:
    assert not is_empty(value)


def test_deep_json_is_judged_without_a_fault() -> None:
    assert is_empty("[" * 900 + "]" * 900)
    assert not is_empty("[" * 100_000)


async def test_the_digest_is_that_of_the_content_and_not_of_the_subject() -> None:
    assert (await made(subject="a")).content_digest == (await made(subject="b")).content_digest
    assert (await made("one")).content_digest != (await made("two")).content_digest


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ([], "at least 1"),
        (["inbox", "inbox"], "named once"),
        ([f"{SLACK}{n}" for n in range(11)], "at most 10"),
        (["thread"], "must say which thread: workspaces/"),
        (["{{ inputs.to }}"], "must be written out"),
        (["slack"], "must be inbox, workspaces/"),
        (["workspaces/w/threads/t/messages/m"], "must be inbox, workspaces/"),
        (["mailto:ada@example.com"], "must be inbox, workspaces/"),
    ],
)
def test_a_destination_is_written_out_and_one_that_there_may_be(
    to: list[str], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        DeliverActionConfig.model_validate({"to": to})


def test_its_output_is_no_output_of_a_run() -> None:
    assert not DELIVER.gives_output
    assert set(DELIVER.config_schema["required"]) == {"to"}
