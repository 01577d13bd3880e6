"""Decisions on an approval, bound to the payload that was shown."""

from collections.abc import Mapping
from typing import Any

from rota_client.gen.google.protobuf import Struct
from rota_client.gen.rota.chat.v1 import (
    Approval,
    Decision,
    DecisionApprove,
    DecisionEdit,
    DecisionReject,
)


def approve(approval: Approval) -> Decision:
    return Decision(
        approval=approval.name, payload_digest=approval.payload_digest, approve=DecisionApprove()
    )


def edit(approval: Approval, payload: Mapping[str, Any]) -> Decision:
    """Approves `payload` instead of the payload that was shown."""
    return Decision(
        approval=approval.name,
        payload_digest=approval.payload_digest,
        edit=DecisionEdit(payload=Struct.from_dict(dict(payload))),
    )


def reject(approval: Approval, reason: str = "") -> Decision:
    return Decision(
        approval=approval.name,
        payload_digest=approval.payload_digest,
        reject=DecisionReject(reason=reason),
    )
