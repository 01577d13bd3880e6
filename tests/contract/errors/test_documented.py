"""What the comment on a call says it is refused with, it is refused with in the table."""

import re
from pathlib import Path

from rota.errors.v1 import errors_pb2

from tests.contract.errors.test_reasons import OUT_OF_REACH, OVER_THE_WIRE, RUNS, TESTS_OF_THEIR_OWN
from tests.contract.rows import ROOT
from tests.contract.table import ROWS
from tests.support.system.live import METHODS

# By state that the table has no place for.
IN_TESTS_OF_THE_SERVICE = {
    ("DestinationService/CreateDestination", "STATE_CONFLICT"),  # destinations/test_service.py
    ("DestinationService/TestDestination", "RATE_LIMITED"),  # destinations/test_verification.py
    ("AutomationService/RotateWebhookSecret", "STATE_CONFLICT"),  # test_webhooks.py
    ("AutomationService/TestWebhook", "STATE_CONFLICT"),  # test_webhooks.py
    ("ChatService/CreateModelConfig", "STATE_CONFLICT"),  # test_model_configs.py
    ("ChatService/TestModelConfig", "STATE_CONFLICT"),  # test_model_tests.py
    ("ChatService/DecideApproval", "TURN_IN_PROGRESS"),  # test_refused_decisions.py
}
REASONS = set(errors_pb2.ErrorReason.keys()) - {"CANCELLED", "ERROR_REASON_UNSPECIFIED"}
RPC = re.compile(r"(?P<comment>(?:^  //.*\n)+)^  rpc (?P<name>\w+)\(", re.M)
SERVICE = re.compile(r"^service (\w+) \{\n(.*?)^\}", re.M | re.S)


def documented() -> dict[str, set[str]]:
    """The reasons that the comment on each call names."""
    found = {}
    for path in sorted(Path(ROOT / "proto" / "rota").rglob("*.proto")):
        for service, body in SERVICE.findall(path.read_text()):
            for match in RPC.finditer(body):
                words = set(re.findall(r"\b[A-Z][A-Z_]+\b", match["comment"]))
                found[f"{service}/{match['name']}"] = words & REASONS
    return found


def test_every_call_has_a_comment_that_is_read() -> None:
    assert set(documented()) == set(METHODS)
    assert any(documented().values())


def test_every_reason_that_a_call_documents_is_shown() -> None:
    elsewhere = {*OVER_THE_WIRE, *RUNS, *TESTS_OF_THEIR_OWN, *OUT_OF_REACH}
    shown = {(row.method, row.wants) for row in ROWS} | IN_TESTS_OF_THE_SERVICE
    missing = [
        f"{method}: {reason}"
        for method, reasons in documented().items()
        for reason in sorted(reasons - elsewhere)
        if (method, reason) not in shown
    ]
    assert missing == []
