"""What a turn did after its approvals, in our words: said if its model says nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat_service.llm.text import one_line
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.runtime.ports import ActionType
from chat_service.turns.message_parts import MessageParts

_MOST_CHARACTERS: Final = 200
_CHANGES: Final = frozenset({"created", "updated", "paused", "resumed", "deleted"})


def report_acts(rows: Sequence[Approval], message: MessageParts) -> str:
    """Returns a sentence that is marked as ours; empty if nothing that was approved is done.

    `rows` are the approvals of the turn, and `message` has the results of this segment.
    """
    acts = [act for row in rows if (act := _act(row, message.calls.get(row.tool_call_id, {})))]
    if not acts:
        return ""
    return f"[The model gave no answer after this. What was approved is done: {'; '.join(acts)}.]"


def _act(row: Approval, call: Mapping[str, Any]) -> str:
    # the call of a subagent's approval is the main agent's, whose result is another
    done = call.get("outcome") == "OK" and "subagent" not in row.context
    if (
        row.state is not ApprovalState.APPROVED
        or not done
        or row.action_type == ActionType.QUESTION
    ):
        return ""
    output = call.get("output", {})
    name = one_line(str(output.get("display_name") or row.summary), _MOST_CHARACTERS)
    change = output.get("change")
    if output.get("status") == "saved" and change == "backfilled":
        return f"the automation “{name}” is run for the times that were named"
    if output.get("status") == "saved" and change == "rolled_back":
        return f"the automation “{name}” is as it was in an earlier version"
    if output.get("status") == "saved" and change in _CHANGES:
        return f"the automation “{name}” is {change}"
    return f"“{name}” is carried out"
