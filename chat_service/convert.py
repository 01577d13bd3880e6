"""Conversion of rows to protos."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from google.protobuf import field_mask_pb2, json_format
from google.rpc import status_pb2
from rota.chat.v1 import chat_pb2 as pb

from chat_service.llm.config import ModelConfig
from chat_service.llm.probe.model_probe import Outcome, ProbeReport
from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState, MessageRole, ThreadKind, TurnState
from chat_service.persistence.messages import Message
from chat_service.persistence.model_configs import OwnModel
from chat_service.persistence.threads import Thread
from chat_service.persistence.turns import Turn
from shared import aip, resources
from shared.json import canonical_json
from shared.rpc.messages.struct import to_json, to_struct
from shared.rpc.messages.timestamps import to_timestamp

_TURN_STATES = {
    TurnState.RUNNING: pb.Turn.RUNNING,
    TurnState.AWAITING_APPROVAL: pb.Turn.AWAITING_APPROVAL,
    TurnState.SUCCEEDED: pb.Turn.SUCCEEDED,
    TurnState.FAILED: pb.Turn.FAILED,
    TurnState.CANCELLED: pb.Turn.CANCELLED,
}
_APPROVAL_STATES = {
    ApprovalState.PENDING: pb.Approval.PENDING,
    ApprovalState.APPROVED: pb.Approval.APPROVED,
    ApprovalState.REJECTED: pb.Approval.REJECTED,
    ApprovalState.EXPIRED: pb.Approval.EXPIRED,
    ApprovalState.CANCELLED: pb.Approval.CANCELLED,
}
IMAGE_SUPPORT_TO_PROTO = {
    None: pb.ModelConfig.IMAGE_SUPPORT_UNSPECIFIED,
    True: pb.ModelConfig.IMAGES,
    False: pb.ModelConfig.TEXT_ONLY,
}
IMAGE_SUPPORT_FROM_PROTO = {shown: stored for stored, shown in IMAGE_SUPPORT_TO_PROTO.items()}
_THREAD_KINDS = {ThreadKind.CHAT: pb.Thread.CHAT, ThreadKind.TASK: pb.Thread.TASK}
_ROLES = {MessageRole.USER: pb.Message.USER, MessageRole.AGENT: pb.Message.AGENT}


def turn_name(workspace: str, thread: UUID, turn: UUID) -> str:
    return resources.TURN.format(workspace=workspace, thread=thread, turn=turn)


def message_name(workspace: str, thread: UUID, message: UUID) -> str:
    return resources.MESSAGE.format(workspace=workspace, thread=thread, message=message)


def approval_name(workspace: str, approval: UUID) -> str:
    return resources.APPROVAL.format(workspace=workspace, approval=approval)


def thread_etag(row: Thread) -> str:
    return aip.compute_etag(row.title, row.model_config_id)


def thread(row: Thread, *, etag: str = "") -> pb.Thread:
    open_turn = turn_name(row.workspace_id, row.id, row.open_turn) if row.open_turn else ""
    return pb.Thread(
        name=resources.THREAD.format(workspace=row.workspace_id, thread=row.id),
        display_name=row.title,
        model_config_id=row.model_config_id,
        open_turn=open_turn,
        create_time=to_timestamp(row.create_time),
        update_time=to_timestamp(row.update_time),
        etag=etag or thread_etag(row),
        kind=_THREAD_KINDS[row.kind],
    )


def message(row: Message, workspace: str) -> pb.Message:
    return pb.Message(
        name=message_name(workspace, row.thread_id, row.id),
        role=_ROLES[row.role],
        parts=[part(p) for p in row.parts],
        turn=turn_name(workspace, row.thread_id, row.turn_id),
        usage=usage(row.usage) if row.usage else None,
        create_time=to_timestamp(row.create_time),
        update_time=to_timestamp(row.finish_time),
    )


def part(stored: Mapping[str, Any]) -> pb.Part:
    if stored.keys() == {"text"}:
        return pb.Part(text=stored["text"])
    return json_format.ParseDict(dict(stored), pb.Part(), ignore_unknown_fields=True)


def turn(row: Turn, approvals: Sequence[Approval]) -> pb.Turn:
    error = status_pb2.Status.FromString(row.error) if row.error is not None else None
    return pb.Turn(
        name=turn_name(row.workspace_id, row.thread_id, row.id),
        state=_TURN_STATES[row.state],
        last_sequence=row.last_sequence,
        approvals=[approval(a, full=False) for a in approvals],
        usage=usage(row.usage) if row.usage else None,
        error=error,
        create_time=to_timestamp(row.create_time),
        update_time=to_timestamp(row.update_time),
        end_time=to_timestamp(row.end_time),
        model_config_id=row.model_config_id,
    )


def approval(row: Approval, *, full: bool = True) -> pb.Approval:
    """`full` includes the payload's schema."""
    assert row.thread_id is not None
    return pb.Approval(
        name=approval_name(row.workspace_id, row.id),
        state=_APPROVAL_STATES[row.state],
        action_type=row.action_type,
        turn=turn_name(row.workspace_id, row.thread_id, row.turn_id),
        tool_call_id=row.tool_call_id,
        summary=row.summary,
        payload=to_struct(row.payload),
        payload_schema=to_struct(row.payload_schema) if full else None,
        payload_digest=row.payload_digest,
        context=to_struct(row.context),
        preview=json_format.ParseDict(dict(row.preview), pb.Preview()),
        requested_by=resources.name_user(row.requested_by),
        decided_by=resources.name_user(row.decided_by),
        create_time=to_timestamp(row.create_time),
        decide_time=to_timestamp(row.decide_time),
        expire_time=to_timestamp(row.expire_time),
        reason=row.reason,
        edited_payload=None if row.edited_payload is None else to_struct(row.edited_payload),
        resource=row.resource,
        etag=aip.compute_etag(row.state, row.resource),
    )


def model_config_name(workspace: str, config_id: int) -> str:
    return resources.MODEL_CONFIG.format(workspace=workspace, model_config=config_id)


def model_config_etag(row: OwnModel) -> str:
    return aip.compute_etag(row.id, row.revision)


def model_config_digest(row: OwnModel) -> str:
    """Returns the digest of what an update may change; of the key, only what is shown."""
    return canonical_json.digest(
        {
            "display_name": row.display_name,
            "model": row.model,
            "base_url": row.base_url,
            "supports_images": row.supports_images,
            "context_tokens": row.context_tokens,
            "has_key": row.api_key is not None,
            "key_hint": row.key_hint,
            "settings": row.settings,
            "extra_header_names": row.header_names,
        }
    )


def own_model(row: OwnModel, *, etag: str = "", payload_digest: str = "") -> pb.ModelConfig:
    """Without the API key and the values of headers."""
    return pb.ModelConfig(
        id=row.id,
        name=model_config_name(row.workspace_id, row.id),
        display_name=row.display_name,
        model=row.model,
        image_support=IMAGE_SUPPORT_TO_PROTO[row.supports_images],
        base_url=row.base_url,
        key_hint=row.key_hint,
        own=True,
        context_tokens=row.context_tokens or 0,
        create_time=to_timestamp(row.create_time),
        update_time=to_timestamp(row.update_time),
        etag=etag or model_config_etag(row),
        payload_digest=payload_digest,
        settings=None if row.settings is None else request_settings(row.settings),
        extra_header_names=row.header_names or (),
    )


def request_settings(stored: Mapping[str, Any]) -> pb.RequestSettings:
    body = stored.get("extra_body")
    plain = {name: value for name, value in stored.items() if name != "extra_body"}
    return pb.RequestSettings(**plain, extra_body=None if body is None else to_struct(body))


def stored_settings(asked: pb.RequestSettings) -> dict[str, Any]:
    """Returns what is set, by the names of RequestOptions. Raises NotCanonical."""
    found = {field.name: value for field, value in asked.ListFields()}
    if "leave_out" in found:
        found["leave_out"] = list(found["leave_out"])
    if "extra_body" in found:
        found["extra_body"] = to_json(found["extra_body"])
    return found


def file_model(config: ModelConfig, workspace: str) -> pb.ModelConfig:
    """Converts a model of the models file."""
    return pb.ModelConfig(
        id=config.id,
        name=model_config_name(workspace, config.id),
        display_name=config.display_name,
        model=config.model,
        image_support=IMAGE_SUPPORT_TO_PROTO[config.supports_images],
        premium=config.premium,
        auto_eligible=config.auto_eligible,
        context_tokens=config.context_tokens,
    )


_OUTCOMES = {
    Outcome.WORKS: pb.FeatureTest.WORKS,
    Outcome.REFUSED: pb.FeatureTest.REFUSED,
    Outcome.NOT_TOLD: pb.FeatureTest.NOT_TOLD,
    Outcome.FAILED: pb.FeatureTest.FAILED,
}


def model_test(
    report: ProbeReport, suggested: pb.ModelConfig, changes: Sequence[str], used: pb.Usage
) -> pb.TestModelConfigResponse:
    features = [
        pb.FeatureTest(
            feature=one.feature,
            outcome=_OUTCOMES[one.outcome],
            detail=one.detail,
            metadata=one.metadata,
            limit=one.limit,
        )
        for one in report.results
    ]
    return pb.TestModelConfigResponse(
        features=features,
        suggested=suggested,
        changes=field_mask_pb2.FieldMask(paths=changes),
        usage=used,
    )


def usage(stored: Mapping[str, Any]) -> pb.Usage:
    by_model = [pb.ModelUsage(**of_model) for of_model in stored.get("by_model", ())]
    return pb.Usage(**{**stored, "by_model": by_model})
