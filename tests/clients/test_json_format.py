"""Two implementations of the contract agree on its bytes and on its JSON."""

import json
from typing import Any

import betterproto2
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from rota.automation.v1 import automation_pb2
from rota.chat.v1 import chat_pb2

from rota_client import json_format
from rota_client.gen.rota.automation import v1 as automation
from rota_client.gen.rota.chat import v1 as chat
from rota_client.invisible_characters import find_invisible
from tests.clients.frames import PAYLOAD, approval, finished, step, suspended, text

RUN = {
    "name": "workspaces/w/automations/a/runs/r",
    "state": "TIMED_OUT",
    "slot_time": "2026-11-23T08:00:00Z",
    "inputs": {"topic": "shipping", "someKey": [1, 2.5, None, True, {"deep_er": "x"}]},
    "step_results": [{"step_id": "s", "status": "FAILED", "output": [1, "two"], "attempts": 3}],
    "output": {"text": "Ships sail."},
    "usage": {"input_tokens": "9007199254740993", "cost_micros": "5"},
    "error": {
        "code": 4,
        "message": "too late",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "TIMED_OUT",
                "domain": "rota.dev",
                "metadata": {"timeout_seconds": "600"},
            }
        ],
    },
}
REROUTED = {
    "sequence": 3,
    "model_rerouted": {
        "previous_model_config_id": "-1",
        "model_config_id": "-2",
        "reason": "limited",
    },
}
AUTOMATION = {
    "name": "workspaces/w/automations/a",
    "definition": {**PAYLOAD["definition"], "execution": {"max_retries": 0, "budget_cap_usd": 2}},
}


def parsed(kind: Any, value: dict[str, Any]) -> Any:
    return ParseDict(value, kind())


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (approval(), chat.Approval),
        (suspended(approval()), chat.TurnEvent),
        (text("héllo 日"), chat.TurnEvent),
        (step("Understanding", "Processing"), chat.TurnEvent),
        (finished("workspaces/w/automations/a"), chat.TurnEvent),
        (parsed(chat_pb2.TurnEvent, REROUTED), chat.TurnEvent),
        (parsed(automation_pb2.Run, RUN), automation.Run),
        (parsed(automation_pb2.Automation, AUTOMATION), automation.Automation),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_client_reads_what_the_server_writes(
    message: Any, kind: type[betterproto2.Message]
) -> None:
    ours = kind.parse(message.SerializeToString())
    assert json_format.to_dict(ours) == MessageToDict(message, preserving_proto_field_name=True)
    again = type(message).FromString(bytes(ours))
    assert again == message


def test_whole_numbers_of_a_struct_are_whole() -> None:
    context = chat.Approval.parse(approval().SerializeToString()).context
    assert '"runs_per_month": 22' in json_format.dump_json(
        json_format.struct_to_dict(context)
    ).replace(",", "\n")
    assert "22.0" not in json_format.to_json(chat.Approval(context=context))


def test_characters_that_nobody_sees_are_escaped_and_read_back() -> None:
    value = {"a\x9b": "b\x7f \u202eabc\u202c \u200b \U000e0041", "plain": "é 😀 ا\u200cب \t"}
    for indent in (None, 2):
        written = json_format.dump_json(value, indent=indent)
        assert json.loads(written) == value
        assert all(escape in written for escape in (r"\u009b", r"\u007f", r"\u202e", r"\u200b"))
        assert list(find_invisible(written)) == []
