"""What a turn did, in our words."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from chat_service.flows.act_report import report_acts
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.turns.message_parts import MessageParts

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
SAVED = {"status": "saved", "display_name": "News", "change": "updated"}


def row(call: str, state: ApprovalState = ApprovalState.APPROVED, **context: Any) -> Approval:
    return Approval(
        id=uuid4(),
        workspace_id="w",
        turn_id=uuid4(),
        key=call,
        segment=0,
        action_type="tool_call",
        tool_call_id=call,
        summary="Use mail_send",
        payload={},
        payload_schema={},
        payload_digest="",
        context=context,
        preview={},
        state=state,
        requested_by="ada",
        create_time=NOW,
        expire_time=NOW,
    )


def results(**outputs: Any) -> MessageParts:
    calls = {
        call: {"tool": "", "args_json": "", "outcome": outcome, "output": output}
        for call, (outcome, output) in outputs.items()
    }
    return MessageParts(calls=calls)


def test_each_act_that_is_done_is_named() -> None:
    said = report_acts([row("a"), row("b")], results(a=("OK", SAVED), b=("OK", {"text": "sent"})))

    assert said == (
        "[The model gave no answer after this. What was approved is done: the automation “News” "
        "is updated; “Use mail_send” is carried out.]"
    )


@pytest.mark.parametrize(
    ("approval", "message"),
    [
        (replace(row("a"), action_type="question"), results(a=("OK", {"text": "sent"}))),
        (row("a", ApprovalState.REJECTED), results(a=("OK", {"status": "rejected"}))),
        (row("a"), results(a=("ERROR", {"status": "error"}))),
        (row("a"), results()),
        (row("a", subagent="researcher"), results(a=("OK", {"status": "done"}))),
    ],
    ids=["a question", "rejected", "failed", "not done", "of a subagent"],
)
def test_what_is_not_done_or_not_known_is_not_named(
    approval: Approval, message: MessageParts
) -> None:
    assert report_acts([approval], message) == ""
