"""`deliver`: sends what the run gave to destinations, each once under a key of its own."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import AfterValidator, Field, WithJsonSchema

from shared import resources
from shared.definition.destination_names import INBOX, THREAD
from shared.definition.fields import Block, Text, require_words
from shared.registries.actions.types import (
    ActionContext,
    ActionDefinition,
    ActionResult,
    BodyFormat,
    DeliveryRequest,
)
from shared.templates.marks import is_template
from shared.text.snippet import cut_line

MAX_DESTINATIONS_OF_STEP: Final = 10
MAX_SUBJECT: Final = 200  # characters, as it is sent
MAX_SUBJECT_TEMPLATE: Final = 2_000  # characters, as it is written
MAX_BODY_TEMPLATE: Final = 8_000  # likewise
MAX_BODY: Final = 256 << 10  # bytes, as it is sent
NO_OUTPUT: Final = "The run gave nothing."

_DESTINATION: Final = re.compile(r"workspaces/[^/\s]+/(threads|destinations)/[^/\s]+")
_FENCE: Final = "```"
_FENCE_BYTES: Final = 16  # of both, with the lines that they end
_FORMS: Final = f"must be {INBOX}, {resources.THREAD.template} or {resources.DESTINATION.template}"


def _check_destination(name: str) -> str:
    if is_template(name):
        raise ValueError("must be written out, since whoever approves it sees every destination")
    if name == THREAD:
        raise ValueError(f"must say which thread: {resources.THREAD.template}")
    if name != INBOX and not _DESTINATION.fullmatch(name):
        raise ValueError(_FORMS)
    return name


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("each destination may be named once")
    return names


class DeliverActionConfig(Block):
    to: Annotated[
        list[
            Annotated[Text, Field(min_length=1, max_length=500), AfterValidator(_check_destination)]
        ],
        Field(
            min_length=1,
            max_length=MAX_DESTINATIONS_OF_STEP,
            description="inbox, names of threads and of destinations",
        ),
        AfterValidator(_unique),
    ]
    # Their schemas have no null, so that a template that gives nothing makes an empty text.
    subject: Annotated[
        Annotated[Text, Field(max_length=MAX_SUBJECT_TEMPLATE), AfterValidator(require_words)]
        | None,
        WithJsonSchema({"type": "string", "maxLength": MAX_SUBJECT_TEMPLATE}),
        Field(description="template of one line; absent: the automation's name and the date"),
    ] = None
    body: Annotated[
        Annotated[Text, Field(max_length=MAX_BODY_TEMPLATE), AfterValidator(require_words)] | None,
        WithJsonSchema({"type": "string", "maxLength": MAX_BODY_TEMPLATE}),
        Field(description="template of what is sent; absent: the last output before the step"),
    ] = None
    format: Annotated[
        Literal["markdown", "text", "json"], Field(description="how the body is read")
    ] = "markdown"
    only: Annotated[
        Literal["always", "changed", "when_not_empty"],
        Field(
            description="changed: unless the destination had the same last; "
            "when_not_empty: unless there is nothing in it"
        ),
    ] = "always"


class RenderedDeliverConfig(DeliverActionConfig):
    """The config with its templates filled in: texts may be empty, and longer than as written."""

    subject: Text | None = None
    body: Text | None = None


async def deliver(config: dict[str, Any], context: ActionContext) -> ActionResult:
    """The output names the deliveries. They are stored with it, and sent afterwards."""
    parsed = RenderedDeliverConfig.model_validate(config)
    last = context.last_output
    content = last.output if parsed.body is None and last is not None else parsed.body
    body = _write_body(content, parsed.format)
    subject = _write_subject(parsed.subject, context)
    digest = hashlib.sha256(f"{parsed.format}\n{body}".encode("utf-8", "replace")).hexdigest()
    made = tuple(
        DeliveryRequest(
            id=delivery_id(context.run, context.step_id, destination),
            destination=destination,
            subject=subject,
            body=body,
            format=parsed.format,
            condition=parsed.only,
            content_digest=digest,
            output_step_id=last.step_id if last else "",
            is_empty=parsed.only == "when_not_empty" and is_empty(content),
        )
        for destination in parsed.to
    )
    return ActionResult(
        output={"deliveries": [_name(one, context) for one in made]}, deliveries=made
    )


def delivery_id(run: str, step_id: str, destination: str) -> UUID:
    """Returns the id of a delivery: the same for every attempt and try of the step."""
    return uuid5(UUID(run), f"{step_id}/{destination}")


def is_empty(value: Any) -> bool:
    """Whether there is nothing in a value: no text, no item, no member that has something.

    A text that is the JSON of such a value is empty too. A number and `false` are something.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{", '"', "n"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    left = [value]
    while left:
        match left.pop():
            case None:
                pass
            case str() as text:
                if text.strip():
                    return False
            case Mapping() as members:
                left.extend(members.values())
            case list() | tuple() as items:
                left.extend(items)
            case _:
                return False
    return True


def _write_body(content: Any, format_: BodyFormat) -> str:
    if format_ == "json":
        return _cut(_write_json(content))
    if content is None or content == "":
        return NO_OUTPUT
    if isinstance(content, str):
        return _cut(content)
    text = json.dumps(content, ensure_ascii=False, indent=2)
    if format_ == "text":
        return _cut(text)
    return f"{_FENCE}json\n{_cut(text, MAX_BODY - _FENCE_BYTES)}\n{_FENCE}"


def _write_json(content: Any) -> str:
    """Returns content as JSON: a text that is JSON as it is, and any other text as a string.

    JSON has neither NaN nor infinite numbers: a text of them is a text, and one in an object null.
    """
    if isinstance(content, str):
        with suppress(ValueError, RecursionError):
            json.loads(content, parse_constant=_refuse_constant)
            return content
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False)
    except ValueError:
        # Python reads what it writes for them, and tells which they are.
        finite = json.loads(json.dumps(content), parse_constant=lambda _: None)
        return json.dumps(finite, ensure_ascii=False)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _cut(text: str, most: int = MAX_BODY) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    told = f"\n\n[Cut here: the text is longer than {MAX_BODY:,} bytes. The run has all of it.]"
    return encoded[: most - len(told)].decode("utf-8", "ignore") + told


def _write_subject(said: str | None, context: ActionContext) -> str:
    """Returns one line of at most MAX_SUBJECT characters."""
    automation = f"{context.display_name} {context.local_date}"
    return cut_line(said or "", MAX_SUBJECT) or cut_line(automation, MAX_SUBJECT) or "Result"


def _name(request: DeliveryRequest, context: ActionContext) -> str:
    return resources.DELIVERY.format(
        workspace=context.workspace,
        automation=context.automation,
        run=context.run,
        delivery=request.id,
    )


def describe_output(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"deliveries": {"type": "array", "items": {"type": "string"}}},
        "additionalProperties": False,
    }


def needs_output(config: Mapping[str, Any]) -> bool:
    return config.get("body") is None


DELIVER: Final = ActionDefinition(
    type="deliver",
    name="Deliver",
    description="Sends the result to an inbox, to threads and to destinations.",
    config_schema=DeliverActionConfig.model_json_schema(),
    handler=deliver,
    config_model=DeliverActionConfig,
    rendered_model=RenderedDeliverConfig,
    describe_output=describe_output,
    cut_texts={"body": MAX_BODY},
    gives_output=False,
    needs_output=needs_output,
)
