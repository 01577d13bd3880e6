import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import field_info_pb2 as _field_info_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from rota.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Thread(_message.Message):
    __slots__ = ("name", "display_name", "model_config_id", "open_turn", "create_time", "update_time", "etag", "kind")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Thread.Kind]
        CHAT: _ClassVar[Thread.Kind]
        TASK: _ClassVar[Thread.Kind]
    KIND_UNSPECIFIED: Thread.Kind
    CHAT: Thread.Kind
    TASK: Thread.Kind
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_ID_FIELD_NUMBER: _ClassVar[int]
    OPEN_TURN_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    model_config_id: int
    open_turn: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    kind: Thread.Kind
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., model_config_id: _Optional[int] = ..., open_turn: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., kind: _Optional[_Union[Thread.Kind, str]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("name", "role", "parts", "turn", "usage", "create_time", "update_time")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Message.Role]
        USER: _ClassVar[Message.Role]
        AGENT: _ClassVar[Message.Role]
    ROLE_UNSPECIFIED: Message.Role
    USER: Message.Role
    AGENT: Message.Role
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: Message.Role
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    turn: str
    usage: Usage
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[Message.Role, str]] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., turn: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("text", "image", "mention", "tool_call", "reasoning", "run_result")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MENTION_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    RUN_RESULT_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: Image
    mention: Mention
    tool_call: ToolCall
    reasoning: str
    run_result: RunResult
    def __init__(self, text: _Optional[str] = ..., image: _Optional[_Union[Image, _Mapping]] = ..., mention: _Optional[_Union[Mention, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ..., reasoning: _Optional[str] = ..., run_result: _Optional[_Union[RunResult, _Mapping]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("uri", "data", "mime_type")
    URI_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    uri: str
    data: bytes
    mime_type: str
    def __init__(self, uri: _Optional[str] = ..., data: _Optional[bytes] = ..., mime_type: _Optional[str] = ...) -> None: ...

class Mention(_message.Message):
    __slots__ = ("name", "display_name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("tool_call_id", "tool", "args_json", "outcome", "output", "resource")
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGS_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    tool_call_id: str
    tool: str
    args_json: str
    outcome: ToolCallFinished.Outcome
    output: _struct_pb2.Struct
    resource: str
    def __init__(self, tool_call_id: _Optional[str] = ..., tool: _Optional[str] = ..., args_json: _Optional[str] = ..., outcome: _Optional[_Union[ToolCallFinished.Outcome, str]] = ..., output: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., resource: _Optional[str] = ...) -> None: ...

class RunResult(_message.Message):
    __slots__ = ("automation", "automation_display_name", "run", "delivery", "subject", "body", "format")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[RunResult.Format]
        MARKDOWN: _ClassVar[RunResult.Format]
        TEXT: _ClassVar[RunResult.Format]
        JSON: _ClassVar[RunResult.Format]
    FORMAT_UNSPECIFIED: RunResult.Format
    MARKDOWN: RunResult.Format
    TEXT: RunResult.Format
    JSON: RunResult.Format
    AUTOMATION_FIELD_NUMBER: _ClassVar[int]
    AUTOMATION_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    automation: str
    automation_display_name: str
    run: str
    delivery: str
    subject: str
    body: str
    format: RunResult.Format
    def __init__(self, automation: _Optional[str] = ..., automation_display_name: _Optional[str] = ..., run: _Optional[str] = ..., delivery: _Optional[str] = ..., subject: _Optional[str] = ..., body: _Optional[str] = ..., format: _Optional[_Union[RunResult.Format, str]] = ...) -> None: ...

class Turn(_message.Message):
    __slots__ = ("name", "state", "last_sequence", "approvals", "usage", "error", "create_time", "update_time", "end_time", "model_config_id")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Turn.State]
        RUNNING: _ClassVar[Turn.State]
        AWAITING_APPROVAL: _ClassVar[Turn.State]
        SUCCEEDED: _ClassVar[Turn.State]
        FAILED: _ClassVar[Turn.State]
        CANCELLED: _ClassVar[Turn.State]
    STATE_UNSPECIFIED: Turn.State
    RUNNING: Turn.State
    AWAITING_APPROVAL: Turn.State
    SUCCEEDED: Turn.State
    FAILED: Turn.State
    CANCELLED: Turn.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Turn.State
    last_sequence: int
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    usage: Usage
    error: _status_pb2.Status
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    model_config_id: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Turn.State, str]] = ..., last_sequence: _Optional[int] = ..., approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., model_config_id: _Optional[int] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("name", "state", "action_type", "turn", "tool_call_id", "summary", "payload", "payload_schema", "payload_digest", "context", "preview", "requested_by", "decided_by", "create_time", "decide_time", "expire_time", "reason", "edited_payload", "resource", "etag")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Approval.State]
        PENDING: _ClassVar[Approval.State]
        APPROVED: _ClassVar[Approval.State]
        REJECTED: _ClassVar[Approval.State]
        EXPIRED: _ClassVar[Approval.State]
        CANCELLED: _ClassVar[Approval.State]
    STATE_UNSPECIFIED: Approval.State
    PENDING: Approval.State
    APPROVED: Approval.State
    REJECTED: Approval.State
    EXPIRED: Approval.State
    CANCELLED: Approval.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EDITED_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Approval.State
    action_type: str
    turn: str
    tool_call_id: str
    summary: str
    payload: _struct_pb2.Struct
    payload_schema: _struct_pb2.Struct
    payload_digest: str
    context: _struct_pb2.Struct
    preview: Preview
    requested_by: str
    decided_by: str
    create_time: _timestamp_pb2.Timestamp
    decide_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    reason: str
    edited_payload: _struct_pb2.Struct
    resource: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Approval.State, str]] = ..., action_type: _Optional[str] = ..., turn: _Optional[str] = ..., tool_call_id: _Optional[str] = ..., summary: _Optional[str] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., payload_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., payload_digest: _Optional[str] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., preview: _Optional[_Union[Preview, _Mapping]] = ..., requested_by: _Optional[str] = ..., decided_by: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., edited_payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., resource: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("summary", "slots", "notes", "time_zone_assumed")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_ASSUMED_FIELD_NUMBER: _ClassVar[int]
    summary: str
    slots: _containers.RepeatedCompositeFieldContainer[PreviewSlot]
    notes: _containers.RepeatedScalarFieldContainer[str]
    time_zone_assumed: bool
    def __init__(self, summary: _Optional[str] = ..., slots: _Optional[_Iterable[_Union[PreviewSlot, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., time_zone_assumed: _Optional[bool] = ...) -> None: ...

class PreviewSlot(_message.Message):
    __slots__ = ("trigger_id", "fire_time", "local_time", "time_zone", "utc_offset", "dst_note")
    TRIGGER_ID_FIELD_NUMBER: _ClassVar[int]
    FIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOCAL_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DST_NOTE_FIELD_NUMBER: _ClassVar[int]
    trigger_id: str
    fire_time: _timestamp_pb2.Timestamp
    local_time: str
    time_zone: str
    utc_offset: _duration_pb2.Duration
    dst_note: str
    def __init__(self, trigger_id: _Optional[str] = ..., fire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., local_time: _Optional[str] = ..., time_zone: _Optional[str] = ..., utc_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., dst_note: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("approval", "payload_digest", "approve", "edit", "reject")
    class Approve(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Edit(_message.Message):
        __slots__ = ("payload",)
        PAYLOAD_FIELD_NUMBER: _ClassVar[int]
        payload: _struct_pb2.Struct
        def __init__(self, payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
    class Reject(_message.Message):
        __slots__ = ("reason",)
        REASON_FIELD_NUMBER: _ClassVar[int]
        reason: str
        def __init__(self, reason: _Optional[str] = ...) -> None: ...
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    APPROVE_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    REJECT_FIELD_NUMBER: _ClassVar[int]
    approval: str
    payload_digest: str
    approve: Decision.Approve
    edit: Decision.Edit
    reject: Decision.Reject
    def __init__(self, approval: _Optional[str] = ..., payload_digest: _Optional[str] = ..., approve: _Optional[_Union[Decision.Approve, _Mapping]] = ..., edit: _Optional[_Union[Decision.Edit, _Mapping]] = ..., reject: _Optional[_Union[Decision.Reject, _Mapping]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cached_tokens", "cost_micros", "by_model", "estimated", "model_calls")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_CALLS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    by_model: _containers.RepeatedCompositeFieldContainer[ModelUsage]
    estimated: bool
    model_calls: int
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cost_micros: _Optional[int] = ..., by_model: _Optional[_Iterable[_Union[ModelUsage, _Mapping]]] = ..., estimated: _Optional[bool] = ..., model_calls: _Optional[int] = ...) -> None: ...

class ModelUsage(_message.Message):
    __slots__ = ("model", "input_tokens", "output_tokens", "cached_tokens", "cost_micros", "estimated", "model_calls")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_CALLS_FIELD_NUMBER: _ClassVar[int]
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    estimated: bool
    model_calls: int
    def __init__(self, model: _Optional[str] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cost_micros: _Optional[int] = ..., estimated: _Optional[bool] = ..., model_calls: _Optional[int] = ...) -> None: ...

class TurnEvent(_message.Message):
    __slots__ = ("sequence", "create_time", "started", "step", "text_delta", "reasoning_delta", "tool_call_started", "tool_call_args_delta", "tool_call_finished", "approval_requested", "approval_decided", "thread_updated", "model_rerouted", "retrying", "text_retracted", "usage", "heartbeat", "completed", "suspended", "failed", "cancelled")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TEXT_DELTA_FIELD_NUMBER: _ClassVar[int]
    REASONING_DELTA_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_STARTED_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ARGS_DELTA_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FINISHED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_DECIDED_FIELD_NUMBER: _ClassVar[int]
    THREAD_UPDATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_REROUTED_FIELD_NUMBER: _ClassVar[int]
    RETRYING_FIELD_NUMBER: _ClassVar[int]
    TEXT_RETRACTED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    create_time: _timestamp_pb2.Timestamp
    started: TurnStarted
    step: Step
    text_delta: TextDelta
    reasoning_delta: ReasoningDelta
    tool_call_started: ToolCallStarted
    tool_call_args_delta: ToolCallArgsDelta
    tool_call_finished: ToolCallFinished
    approval_requested: ApprovalRequested
    approval_decided: ApprovalDecided
    thread_updated: ThreadUpdated
    model_rerouted: ModelRerouted
    retrying: Retrying
    text_retracted: TextRetracted
    usage: Usage
    heartbeat: Heartbeat
    completed: TurnCompleted
    suspended: TurnSuspended
    failed: TurnFailed
    cancelled: TurnCancelled
    def __init__(self, sequence: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started: _Optional[_Union[TurnStarted, _Mapping]] = ..., step: _Optional[_Union[Step, _Mapping]] = ..., text_delta: _Optional[_Union[TextDelta, _Mapping]] = ..., reasoning_delta: _Optional[_Union[ReasoningDelta, _Mapping]] = ..., tool_call_started: _Optional[_Union[ToolCallStarted, _Mapping]] = ..., tool_call_args_delta: _Optional[_Union[ToolCallArgsDelta, _Mapping]] = ..., tool_call_finished: _Optional[_Union[ToolCallFinished, _Mapping]] = ..., approval_requested: _Optional[_Union[ApprovalRequested, _Mapping]] = ..., approval_decided: _Optional[_Union[ApprovalDecided, _Mapping]] = ..., thread_updated: _Optional[_Union[ThreadUpdated, _Mapping]] = ..., model_rerouted: _Optional[_Union[ModelRerouted, _Mapping]] = ..., retrying: _Optional[_Union[Retrying, _Mapping]] = ..., text_retracted: _Optional[_Union[TextRetracted, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., completed: _Optional[_Union[TurnCompleted, _Mapping]] = ..., suspended: _Optional[_Union[TurnSuspended, _Mapping]] = ..., failed: _Optional[_Union[TurnFailed, _Mapping]] = ..., cancelled: _Optional[_Union[TurnCancelled, _Mapping]] = ...) -> None: ...

class TurnStarted(_message.Message):
    __slots__ = ("turn", "user_message", "agent_message", "resumed")
    TURN_FIELD_NUMBER: _ClassVar[int]
    USER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AGENT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    turn: str
    user_message: str
    agent_message: str
    resumed: bool
    def __init__(self, turn: _Optional[str] = ..., user_message: _Optional[str] = ..., agent_message: _Optional[str] = ..., resumed: _Optional[bool] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("id", "title", "items", "state")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Step.State]
        IN_PROGRESS: _ClassVar[Step.State]
        COMPLETED: _ClassVar[Step.State]
    STATE_UNSPECIFIED: Step.State
    IN_PROGRESS: Step.State
    COMPLETED: Step.State
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    items: _containers.RepeatedScalarFieldContainer[str]
    state: Step.State
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., items: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[Step.State, str]] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("message", "block", "text")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    message: str
    block: int
    text: str
    def __init__(self, message: _Optional[str] = ..., block: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ReasoningDelta(_message.Message):
    __slots__ = ("message", "block", "text")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    message: str
    block: int
    text: str
    def __init__(self, message: _Optional[str] = ..., block: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ToolCallStarted(_message.Message):
    __slots__ = ("message", "block", "tool_call_id", "tool")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    message: str
    block: int
    tool_call_id: str
    tool: str
    def __init__(self, message: _Optional[str] = ..., block: _Optional[int] = ..., tool_call_id: _Optional[str] = ..., tool: _Optional[str] = ...) -> None: ...

class ToolCallArgsDelta(_message.Message):
    __slots__ = ("tool_call_id", "json")
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    tool_call_id: str
    json: str
    def __init__(self, tool_call_id: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class ToolCallFinished(_message.Message):
    __slots__ = ("tool_call_id", "outcome", "output", "resource")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[ToolCallFinished.Outcome]
        OK: _ClassVar[ToolCallFinished.Outcome]
        ERROR: _ClassVar[ToolCallFinished.Outcome]
    OUTCOME_UNSPECIFIED: ToolCallFinished.Outcome
    OK: ToolCallFinished.Outcome
    ERROR: ToolCallFinished.Outcome
    TOOL_CALL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    tool_call_id: str
    outcome: ToolCallFinished.Outcome
    output: _struct_pb2.Struct
    resource: str
    def __init__(self, tool_call_id: _Optional[str] = ..., outcome: _Optional[_Union[ToolCallFinished.Outcome, str]] = ..., output: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., resource: _Optional[str] = ...) -> None: ...

class ApprovalRequested(_message.Message):
    __slots__ = ("approval",)
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ...) -> None: ...

class ApprovalDecided(_message.Message):
    __slots__ = ("approval",)
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ...) -> None: ...

class ThreadUpdated(_message.Message):
    __slots__ = ("display_name",)
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    def __init__(self, display_name: _Optional[str] = ...) -> None: ...

class ModelRerouted(_message.Message):
    __slots__ = ("previous_model_config_id", "model_config_id", "reason", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PREVIOUS_MODEL_CONFIG_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    previous_model_config_id: int
    model_config_id: int
    reason: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, previous_model_config_id: _Optional[int] = ..., model_config_id: _Optional[int] = ..., reason: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Retrying(_message.Message):
    __slots__ = ("delay", "reason", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DELAY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    reason: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TextRetracted(_message.Message):
    __slots__ = ("message", "from_block")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FROM_BLOCK_FIELD_NUMBER: _ClassVar[int]
    message: str
    from_block: int
    def __init__(self, message: _Optional[str] = ..., from_block: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TurnCompleted(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: Message
    def __init__(self, message: _Optional[_Union[Message, _Mapping]] = ...) -> None: ...

class TurnSuspended(_message.Message):
    __slots__ = ("approvals",)
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    def __init__(self, approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ...) -> None: ...

class TurnFailed(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _status_pb2.Status
    def __init__(self, status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TurnCancelled(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RequestSettings(_message.Message):
    __slots__ = ("temperature", "top_p", "max_tokens", "reasoning_effort", "response_format", "strict", "tool_choice", "parallel_tool_calls", "leave_out", "extra_body")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_EFFORT_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    LEAVE_OUT_FIELD_NUMBER: _ClassVar[int]
    EXTRA_BODY_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_p: float
    max_tokens: int
    reasoning_effort: str
    response_format: str
    strict: bool
    tool_choice: str
    parallel_tool_calls: bool
    leave_out: _containers.RepeatedScalarFieldContainer[str]
    extra_body: _struct_pb2.Struct
    def __init__(self, temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., max_tokens: _Optional[int] = ..., reasoning_effort: _Optional[str] = ..., response_format: _Optional[str] = ..., strict: _Optional[bool] = ..., tool_choice: _Optional[str] = ..., parallel_tool_calls: _Optional[bool] = ..., leave_out: _Optional[_Iterable[str]] = ..., extra_body: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ModelConfig(_message.Message):
    __slots__ = ("id", "display_name", "model", "image_support", "premium", "auto_eligible", "name", "base_url", "api_key", "key_hint", "own", "create_time", "update_time", "etag", "context_tokens", "payload_digest", "settings", "extra_headers", "extra_header_names")
    class ImageSupport(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        IMAGE_SUPPORT_UNSPECIFIED: _ClassVar[ModelConfig.ImageSupport]
        IMAGES: _ClassVar[ModelConfig.ImageSupport]
        TEXT_ONLY: _ClassVar[ModelConfig.ImageSupport]
    IMAGE_SUPPORT_UNSPECIFIED: ModelConfig.ImageSupport
    IMAGES: ModelConfig.ImageSupport
    TEXT_ONLY: ModelConfig.ImageSupport
    class ExtraHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SUPPORT_FIELD_NUMBER: _ClassVar[int]
    PREMIUM_FIELD_NUMBER: _ClassVar[int]
    AUTO_ELIGIBLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_HINT_FIELD_NUMBER: _ClassVar[int]
    OWN_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_HEADERS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_HEADER_NAMES_FIELD_NUMBER: _ClassVar[int]
    id: int
    display_name: str
    model: str
    image_support: ModelConfig.ImageSupport
    premium: bool
    auto_eligible: bool
    name: str
    base_url: str
    api_key: str
    key_hint: str
    own: bool
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    context_tokens: int
    payload_digest: str
    settings: RequestSettings
    extra_headers: _containers.ScalarMap[str, str]
    extra_header_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[int] = ..., display_name: _Optional[str] = ..., model: _Optional[str] = ..., image_support: _Optional[_Union[ModelConfig.ImageSupport, str]] = ..., premium: _Optional[bool] = ..., auto_eligible: _Optional[bool] = ..., name: _Optional[str] = ..., base_url: _Optional[str] = ..., api_key: _Optional[str] = ..., key_hint: _Optional[str] = ..., own: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., context_tokens: _Optional[int] = ..., payload_digest: _Optional[str] = ..., settings: _Optional[_Union[RequestSettings, _Mapping]] = ..., extra_headers: _Optional[_Mapping[str, str]] = ..., extra_header_names: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateThreadRequest(_message.Message):
    __slots__ = ("parent", "thread", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    THREAD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    thread: Thread
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., thread: _Optional[_Union[Thread, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetThreadRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListThreadsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListThreadsResponse(_message.Message):
    __slots__ = ("threads", "next_page_token")
    THREADS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    threads: _containers.RepeatedCompositeFieldContainer[Thread]
    next_page_token: str
    def __init__(self, threads: _Optional[_Iterable[_Union[Thread, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateThreadRequest(_message.Message):
    __slots__ = ("thread", "update_mask", "request_id", "validate_only")
    THREAD_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    thread: Thread
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    def __init__(self, thread: _Optional[_Union[Thread, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class DeleteThreadRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ("messages", "next_page_token")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SendMessageRequest(_message.Message):
    __slots__ = ("name", "message", "model_config_id", "disabled_tools", "time_zone", "locale", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_ID_FIELD_NUMBER: _ClassVar[int]
    DISABLED_TOOLS_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: Message
    model_config_id: int
    disabled_tools: _containers.RepeatedScalarFieldContainer[str]
    time_zone: str
    locale: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., message: _Optional[_Union[Message, _Mapping]] = ..., model_config_id: _Optional[int] = ..., disabled_tools: _Optional[_Iterable[str]] = ..., time_zone: _Optional[str] = ..., locale: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ResumeTurnRequest(_message.Message):
    __slots__ = ("name", "decisions", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    request_id: str
    def __init__(self, name: _Optional[str] = ..., decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class WatchTurnRequest(_message.Message):
    __slots__ = ("name", "after_sequence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_sequence: int
    def __init__(self, name: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class GetTurnRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListTurnsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListTurnsResponse(_message.Message):
    __slots__ = ("turns", "next_page_token")
    TURNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    turns: _containers.RepeatedCompositeFieldContainer[Turn]
    next_page_token: str
    def __init__(self, turns: _Optional[_Iterable[_Union[Turn, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelTurnRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetApprovalRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListApprovalsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListApprovalsResponse(_message.Message):
    __slots__ = ("approvals", "next_page_token")
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    next_page_token: str
    def __init__(self, approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DecideApprovalRequest(_message.Message):
    __slots__ = ("name", "decision", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    decision: Decision
    request_id: str
    def __init__(self, name: _Optional[str] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PreviewDecisionRequest(_message.Message):
    __slots__ = ("name", "decision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    decision: Decision
    def __init__(self, name: _Optional[str] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class CreateModelConfigRequest(_message.Message):
    __slots__ = ("parent", "model_config", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    model_config: ModelConfig
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., model_config: _Optional[_Union[ModelConfig, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetModelConfigRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UpdateModelConfigRequest(_message.Message):
    __slots__ = ("model_config", "update_mask", "request_id", "validate_only", "payload_digest")
    MODEL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    model_config: ModelConfig
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    payload_digest: str
    def __init__(self, model_config: _Optional[_Union[ModelConfig, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., payload_digest: _Optional[str] = ...) -> None: ...

class DeleteModelConfigRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class TestModelConfigRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class TestModelConfigResponse(_message.Message):
    __slots__ = ("features", "suggested", "changes", "usage")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[FeatureTest]
    suggested: ModelConfig
    changes: _field_mask_pb2.FieldMask
    usage: Usage
    def __init__(self, features: _Optional[_Iterable[_Union[FeatureTest, _Mapping]]] = ..., suggested: _Optional[_Union[ModelConfig, _Mapping]] = ..., changes: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class FeatureTest(_message.Message):
    __slots__ = ("feature", "outcome", "detail", "metadata", "limit")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[FeatureTest.Outcome]
        WORKS: _ClassVar[FeatureTest.Outcome]
        REFUSED: _ClassVar[FeatureTest.Outcome]
        NOT_TOLD: _ClassVar[FeatureTest.Outcome]
        FAILED: _ClassVar[FeatureTest.Outcome]
    OUTCOME_UNSPECIFIED: FeatureTest.Outcome
    WORKS: FeatureTest.Outcome
    REFUSED: FeatureTest.Outcome
    NOT_TOLD: FeatureTest.Outcome
    FAILED: FeatureTest.Outcome
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    feature: str
    outcome: FeatureTest.Outcome
    detail: str
    metadata: _containers.ScalarMap[str, str]
    limit: int
    def __init__(self, feature: _Optional[str] = ..., outcome: _Optional[_Union[FeatureTest.Outcome, str]] = ..., detail: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., limit: _Optional[int] = ...) -> None: ...

class ListModelConfigsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelConfigsResponse(_message.Message):
    __slots__ = ("model_configs", "next_page_token")
    MODEL_CONFIGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model_configs: _containers.RepeatedCompositeFieldContainer[ModelConfig]
    next_page_token: str
    def __init__(self, model_configs: _Optional[_Iterable[_Union[ModelConfig, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
