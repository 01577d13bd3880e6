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
from rota.automation.v1 import webhook_pb2 as _webhook_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Automation(_message.Message):
    __slots__ = ("name", "display_name", "description", "state", "definition", "revision", "creator", "create_time", "update_time", "etag", "pause_note", "last_run_state", "consecutive_failures", "triggers", "payload_digest", "notes", "resume_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Automation.State]
        ACTIVE: _ClassVar[Automation.State]
        PAUSED: _ClassVar[Automation.State]
        ARCHIVED: _ClassVar[Automation.State]
    STATE_UNSPECIFIED: Automation.State
    ACTIVE: Automation.State
    PAUSED: Automation.State
    ARCHIVED: Automation.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PAUSE_NOTE_FIELD_NUMBER: _ClassVar[int]
    LAST_RUN_STATE_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    RESUME_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    description: str
    state: Automation.State
    definition: AutomationDefinition
    revision: int
    creator: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    pause_note: str
    last_run_state: Run.State
    consecutive_failures: int
    triggers: _containers.RepeatedCompositeFieldContainer[Trigger]
    payload_digest: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    resume_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., state: _Optional[_Union[Automation.State, str]] = ..., definition: _Optional[_Union[AutomationDefinition, _Mapping]] = ..., revision: _Optional[int] = ..., creator: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., pause_note: _Optional[str] = ..., last_run_state: _Optional[_Union[Run.State, str]] = ..., consecutive_failures: _Optional[int] = ..., triggers: _Optional[_Iterable[_Union[Trigger, _Mapping]]] = ..., payload_digest: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ..., resume_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AutomationDefinition(_message.Message):
    __slots__ = ("schema_version", "name", "goal", "inputs", "triggers", "plan", "execution", "metadata")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    schema_version: str
    name: str
    goal: str
    inputs: InputsBlock
    triggers: _containers.RepeatedCompositeFieldContainer[TriggerSpec]
    plan: _containers.RepeatedCompositeFieldContainer[PlanStep]
    execution: ExecutionBlock
    metadata: _struct_pb2.Struct
    def __init__(self, schema_version: _Optional[str] = ..., name: _Optional[str] = ..., goal: _Optional[str] = ..., inputs: _Optional[_Union[InputsBlock, _Mapping]] = ..., triggers: _Optional[_Iterable[_Union[TriggerSpec, _Mapping]]] = ..., plan: _Optional[_Iterable[_Union[PlanStep, _Mapping]]] = ..., execution: _Optional[_Union[ExecutionBlock, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class InputsBlock(_message.Message):
    __slots__ = ("schema",)
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    schema: _struct_pb2.Struct
    def __init__(self, schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class TriggerSpec(_message.Message):
    __slots__ = ("trigger_id", "type", "config", "static_inputs", "enabled")
    TRIGGER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    STATIC_INPUTS_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    trigger_id: str
    type: str
    config: _struct_pb2.Struct
    static_inputs: _struct_pb2.Struct
    enabled: bool
    def __init__(self, trigger_id: _Optional[str] = ..., type: _Optional[str] = ..., config: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., static_inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., enabled: _Optional[bool] = ...) -> None: ...

class PlanStep(_message.Message):
    __slots__ = ("step_id", "action", "when", "config", "output_as", "max_retries", "timeout_seconds")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AS_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    action: str
    when: str
    config: _struct_pb2.Struct
    output_as: str
    max_retries: int
    timeout_seconds: int
    def __init__(self, step_id: _Optional[str] = ..., action: _Optional[str] = ..., when: _Optional[str] = ..., config: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output_as: _Optional[str] = ..., max_retries: _Optional[int] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class ExecutionBlock(_message.Message):
    __slots__ = ("timeout_seconds", "max_retries", "retry_backoff", "concurrency", "budget_cap_usd", "on_failure")
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    BUDGET_CAP_USD_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    timeout_seconds: int
    max_retries: int
    retry_backoff: str
    concurrency: str
    budget_cap_usd: float
    on_failure: _containers.RepeatedCompositeFieldContainer[PlanStep]
    def __init__(self, timeout_seconds: _Optional[int] = ..., max_retries: _Optional[int] = ..., retry_backoff: _Optional[str] = ..., concurrency: _Optional[str] = ..., budget_cap_usd: _Optional[float] = ..., on_failure: _Optional[_Iterable[_Union[PlanStep, _Mapping]]] = ...) -> None: ...

class Trigger(_message.Message):
    __slots__ = ("name", "trigger_id", "type", "config", "static_inputs", "enabled", "next_fire_time", "last_fire_time", "disabled_reason", "etag", "payload_digest", "next_slot", "skipped_slots", "disable_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    STATIC_INPUTS_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_FIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    DISABLED_REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    NEXT_SLOT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_SLOTS_FIELD_NUMBER: _ClassVar[int]
    DISABLE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    trigger_id: str
    type: str
    config: _struct_pb2.Struct
    static_inputs: _struct_pb2.Struct
    enabled: bool
    next_fire_time: _timestamp_pb2.Timestamp
    last_fire_time: _timestamp_pb2.Timestamp
    disabled_reason: str
    etag: str
    payload_digest: str
    next_slot: PlannedSlot
    skipped_slots: _containers.RepeatedCompositeFieldContainer[SkippedSlot]
    disable_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., trigger_id: _Optional[str] = ..., type: _Optional[str] = ..., config: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., static_inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., enabled: _Optional[bool] = ..., next_fire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_fire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disabled_reason: _Optional[str] = ..., etag: _Optional[str] = ..., payload_digest: _Optional[str] = ..., next_slot: _Optional[_Union[PlannedSlot, _Mapping]] = ..., skipped_slots: _Optional[_Iterable[_Union[SkippedSlot, _Mapping]]] = ..., disable_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SkippedSlot(_message.Message):
    __slots__ = ("slot_time", "fire_time", "local_time", "user", "note", "create_time")
    SLOT_TIME_FIELD_NUMBER: _ClassVar[int]
    FIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOCAL_TIME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    slot_time: _timestamp_pb2.Timestamp
    fire_time: _timestamp_pb2.Timestamp
    local_time: str
    user: str
    note: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, slot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., local_time: _Optional[str] = ..., user: _Optional[str] = ..., note: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("name", "revision", "definition", "author", "create_time", "decision")
    class Decision(_message.Message):
        __slots__ = ("approval", "requester", "approver", "payload_digest", "edited", "decide_time")
        APPROVAL_FIELD_NUMBER: _ClassVar[int]
        REQUESTER_FIELD_NUMBER: _ClassVar[int]
        APPROVER_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
        EDITED_FIELD_NUMBER: _ClassVar[int]
        DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
        approval: str
        requester: str
        approver: str
        payload_digest: str
        edited: bool
        decide_time: _timestamp_pb2.Timestamp
        def __init__(self, approval: _Optional[str] = ..., requester: _Optional[str] = ..., approver: _Optional[str] = ..., payload_digest: _Optional[str] = ..., edited: _Optional[bool] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    definition: AutomationDefinition
    author: str
    create_time: _timestamp_pb2.Timestamp
    decision: Revision.Decision
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ..., definition: _Optional[_Union[AutomationDefinition, _Mapping]] = ..., author: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decision: _Optional[_Union[Revision.Decision, _Mapping]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("name", "trigger", "slot_time", "fire_time", "local_time", "outcome", "reason", "run", "decide_time", "backfill")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Slot.Outcome]
        FIRED: _ClassVar[Slot.Outcome]
        CAUGHT_UP: _ClassVar[Slot.Outcome]
        SKIPPED_OVERLAP: _ClassVar[Slot.Outcome]
        SKIPPED_PAUSED: _ClassVar[Slot.Outcome]
        SKIPPED_DST: _ClassVar[Slot.Outcome]
        MISSED: _ClassVar[Slot.Outcome]
        REJECTED: _ClassVar[Slot.Outcome]
        SKIPPED_REQUESTED: _ClassVar[Slot.Outcome]
    OUTCOME_UNSPECIFIED: Slot.Outcome
    FIRED: Slot.Outcome
    CAUGHT_UP: Slot.Outcome
    SKIPPED_OVERLAP: Slot.Outcome
    SKIPPED_PAUSED: Slot.Outcome
    SKIPPED_DST: Slot.Outcome
    MISSED: Slot.Outcome
    REJECTED: Slot.Outcome
    SKIPPED_REQUESTED: Slot.Outcome
    class Backfill(_message.Message):
        __slots__ = ("run", "run_state", "requester", "create_time")
        RUN_FIELD_NUMBER: _ClassVar[int]
        RUN_STATE_FIELD_NUMBER: _ClassVar[int]
        REQUESTER_FIELD_NUMBER: _ClassVar[int]
        CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
        run: str
        run_state: Run.State
        requester: str
        create_time: _timestamp_pb2.Timestamp
        def __init__(self, run: _Optional[str] = ..., run_state: _Optional[_Union[Run.State, str]] = ..., requester: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    SLOT_TIME_FIELD_NUMBER: _ClassVar[int]
    FIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOCAL_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    name: str
    trigger: str
    slot_time: _timestamp_pb2.Timestamp
    fire_time: _timestamp_pb2.Timestamp
    local_time: str
    outcome: Slot.Outcome
    reason: str
    run: str
    decide_time: _timestamp_pb2.Timestamp
    backfill: Slot.Backfill
    def __init__(self, name: _Optional[str] = ..., trigger: _Optional[str] = ..., slot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., local_time: _Optional[str] = ..., outcome: _Optional[_Union[Slot.Outcome, str]] = ..., reason: _Optional[str] = ..., run: _Optional[str] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., backfill: _Optional[_Union[Slot.Backfill, _Mapping]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("name", "state", "trigger", "slot_time", "create_time", "start_time", "end_time", "definition_snapshot", "revision", "trigger_payload", "inputs", "step_results", "output", "artifacts", "error", "usage", "attempt", "backfill", "output_snippet", "automation_display_name", "failed_delivery_count", "retrying_delivery_count")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Run.State]
        PENDING: _ClassVar[Run.State]
        RUNNING: _ClassVar[Run.State]
        SUCCEEDED: _ClassVar[Run.State]
        FAILED: _ClassVar[Run.State]
        CANCELLED: _ClassVar[Run.State]
        TIMED_OUT: _ClassVar[Run.State]
    STATE_UNSPECIFIED: Run.State
    PENDING: Run.State
    RUNNING: Run.State
    SUCCEEDED: Run.State
    FAILED: Run.State
    CANCELLED: Run.State
    TIMED_OUT: Run.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    SLOT_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    STEP_RESULTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SNIPPET_FIELD_NUMBER: _ClassVar[int]
    AUTOMATION_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    FAILED_DELIVERY_COUNT_FIELD_NUMBER: _ClassVar[int]
    RETRYING_DELIVERY_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Run.State
    trigger: str
    slot_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    definition_snapshot: AutomationDefinition
    revision: int
    trigger_payload: _struct_pb2.Struct
    inputs: _struct_pb2.Struct
    step_results: _containers.RepeatedCompositeFieldContainer[StepResult]
    output: _struct_pb2.Value
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    error: _status_pb2.Status
    usage: Usage
    attempt: int
    backfill: bool
    output_snippet: str
    automation_display_name: str
    failed_delivery_count: int
    retrying_delivery_count: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Run.State, str]] = ..., trigger: _Optional[str] = ..., slot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., definition_snapshot: _Optional[_Union[AutomationDefinition, _Mapping]] = ..., revision: _Optional[int] = ..., trigger_payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., step_results: _Optional[_Iterable[_Union[StepResult, _Mapping]]] = ..., output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., attempt: _Optional[int] = ..., backfill: _Optional[bool] = ..., output_snippet: _Optional[str] = ..., automation_display_name: _Optional[str] = ..., failed_delivery_count: _Optional[int] = ..., retrying_delivery_count: _Optional[int] = ...) -> None: ...

class StepResult(_message.Message):
    __slots__ = ("step_id", "action", "status", "attempts", "start_time", "end_time", "session_id", "output", "error", "usage", "notes", "session_expire_time", "earlier_session_ids")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[StepResult.Status]
        RUNNING: _ClassVar[StepResult.Status]
        SUCCEEDED: _ClassVar[StepResult.Status]
        FAILED: _ClassVar[StepResult.Status]
        SKIPPED: _ClassVar[StepResult.Status]
        CANCELLED: _ClassVar[StepResult.Status]
        TIMED_OUT: _ClassVar[StepResult.Status]
    STATUS_UNSPECIFIED: StepResult.Status
    RUNNING: StepResult.Status
    SUCCEEDED: StepResult.Status
    FAILED: StepResult.Status
    SKIPPED: StepResult.Status
    CANCELLED: StepResult.Status
    TIMED_OUT: StepResult.Status
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    SESSION_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    EARLIER_SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    action: str
    status: StepResult.Status
    attempts: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    session_id: str
    output: _struct_pb2.Value
    error: _status_pb2.Status
    usage: Usage
    notes: _containers.RepeatedScalarFieldContainer[str]
    session_expire_time: _timestamp_pb2.Timestamp
    earlier_session_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, step_id: _Optional[str] = ..., action: _Optional[str] = ..., status: _Optional[_Union[StepResult.Status, str]] = ..., attempts: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., session_id: _Optional[str] = ..., output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ..., session_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., earlier_session_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("artifact_id", "step_id", "mime_type", "content")
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    step_id: str
    mime_type: str
    content: _struct_pb2.Value
    def __init__(self, artifact_id: _Optional[str] = ..., step_id: _Optional[str] = ..., mime_type: _Optional[str] = ..., content: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cached_tokens", "cost_micros", "untold_tasks")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    UNTOLD_TASKS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    untold_tasks: int
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cost_micros: _Optional[int] = ..., untold_tasks: _Optional[int] = ...) -> None: ...

class RunEvent(_message.Message):
    __slots__ = ("sequence", "create_time", "started", "step_updated", "step_progress", "ended", "heartbeat")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STEP_UPDATED_FIELD_NUMBER: _ClassVar[int]
    STEP_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    create_time: _timestamp_pb2.Timestamp
    started: RunStarted
    step_updated: StepUpdated
    step_progress: StepProgress
    ended: RunEnded
    heartbeat: RunHeartbeat
    def __init__(self, sequence: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started: _Optional[_Union[RunStarted, _Mapping]] = ..., step_updated: _Optional[_Union[StepUpdated, _Mapping]] = ..., step_progress: _Optional[_Union[StepProgress, _Mapping]] = ..., ended: _Optional[_Union[RunEnded, _Mapping]] = ..., heartbeat: _Optional[_Union[RunHeartbeat, _Mapping]] = ...) -> None: ...

class RunStarted(_message.Message):
    __slots__ = ("attempt",)
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    def __init__(self, attempt: _Optional[int] = ...) -> None: ...

class StepUpdated(_message.Message):
    __slots__ = ("step",)
    STEP_FIELD_NUMBER: _ClassVar[int]
    step: StepResult
    def __init__(self, step: _Optional[_Union[StepResult, _Mapping]] = ...) -> None: ...

class StepProgress(_message.Message):
    __slots__ = ("step_id", "title")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    title: str
    def __init__(self, step_id: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class RunEnded(_message.Message):
    __slots__ = ("state", "error")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    state: Run.State
    error: _status_pb2.Status
    def __init__(self, state: _Optional[_Union[Run.State, str]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class RunHeartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateAutomationRequest(_message.Message):
    __slots__ = ("parent", "automation", "automation_id", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    AUTOMATION_FIELD_NUMBER: _ClassVar[int]
    AUTOMATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    automation: Automation
    automation_id: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., automation: _Optional[_Union[Automation, _Mapping]] = ..., automation_id: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetAutomationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListAutomationsRequest(_message.Message):
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

class ListAutomationsResponse(_message.Message):
    __slots__ = ("automations", "next_page_token")
    AUTOMATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    automations: _containers.RepeatedCompositeFieldContainer[Automation]
    next_page_token: str
    def __init__(self, automations: _Optional[_Iterable[_Union[Automation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateAutomationRequest(_message.Message):
    __slots__ = ("automation", "update_mask", "request_id", "validate_only", "payload_digest")
    AUTOMATION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    automation: Automation
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    payload_digest: str
    def __init__(self, automation: _Optional[_Union[Automation, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., payload_digest: _Optional[str] = ...) -> None: ...

class DeleteAutomationRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PauseAutomationRequest(_message.Message):
    __slots__ = ("name", "note", "etag", "request_id", "resume_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    note: str
    etag: str
    request_id: str
    resume_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., note: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., resume_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SkipNextSlotRequest(_message.Message):
    __slots__ = ("name", "trigger", "slot_time", "note", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    SLOT_TIME_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    trigger: str
    slot_time: _timestamp_pb2.Timestamp
    note: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., trigger: _Optional[str] = ..., slot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., note: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnskipSlotRequest(_message.Message):
    __slots__ = ("name", "trigger", "slot_time", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    SLOT_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    trigger: str
    slot_time: _timestamp_pb2.Timestamp
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., trigger: _Optional[str] = ..., slot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ResumeAutomationRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ArchiveAutomationRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateTriggerRequest(_message.Message):
    __slots__ = ("parent", "trigger", "trigger_id", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    trigger: Trigger
    trigger_id: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., trigger: _Optional[_Union[Trigger, _Mapping]] = ..., trigger_id: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetTriggerRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListTriggersRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTriggersResponse(_message.Message):
    __slots__ = ("triggers", "next_page_token")
    TRIGGERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    triggers: _containers.RepeatedCompositeFieldContainer[Trigger]
    next_page_token: str
    def __init__(self, triggers: _Optional[_Iterable[_Union[Trigger, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateTriggerRequest(_message.Message):
    __slots__ = ("trigger", "update_mask", "request_id", "validate_only", "payload_digest")
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    trigger: Trigger
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    payload_digest: str
    def __init__(self, trigger: _Optional[_Union[Trigger, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., payload_digest: _Optional[str] = ...) -> None: ...

class DeleteTriggerRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("revisions", "next_page_token")
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[Revision]
    next_page_token: str
    def __init__(self, revisions: _Optional[_Iterable[_Union[Revision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetRevisionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RollbackAutomationRequest(_message.Message):
    __slots__ = ("name", "revision", "etag", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: int
    etag: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[int] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PreviewScheduleRequest(_message.Message):
    __slots__ = ("parent", "config", "start_time", "count")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    parent: str
    config: _struct_pb2.Struct
    start_time: _timestamp_pb2.Timestamp
    count: int
    def __init__(self, parent: _Optional[str] = ..., config: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class PreviewScheduleResponse(_message.Message):
    __slots__ = ("slots", "summary", "notes")
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.RepeatedCompositeFieldContainer[PlannedSlot]
    summary: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, slots: _Optional[_Iterable[_Union[PlannedSlot, _Mapping]]] = ..., summary: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class PlannedSlot(_message.Message):
    __slots__ = ("slot_time", "fire_time", "local_time", "utc_offset", "dst_note", "skipped")
    SLOT_TIME_FIELD_NUMBER: _ClassVar[int]
    FIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LOCAL_TIME_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DST_NOTE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    slot_time: _timestamp_pb2.Timestamp
    fire_time: _timestamp_pb2.Timestamp
    local_time: str
    utc_offset: _duration_pb2.Duration
    dst_note: str
    skipped: bool
    def __init__(self, slot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., local_time: _Optional[str] = ..., utc_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., dst_note: _Optional[str] = ..., skipped: _Optional[bool] = ...) -> None: ...

class ListSlotsRequest(_message.Message):
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

class ListSlotsResponse(_message.Message):
    __slots__ = ("slots", "next_page_token")
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    next_page_token: str
    def __init__(self, slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExplainSlotRequest(_message.Message):
    __slots__ = ("trigger", "time")
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    trigger: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, trigger: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExplainSlotResponse(_message.Message):
    __slots__ = ("explanation", "slot", "nearest_slots")
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    NEAREST_SLOTS_FIELD_NUMBER: _ClassVar[int]
    explanation: str
    slot: Slot
    nearest_slots: _containers.RepeatedCompositeFieldContainer[PlannedSlot]
    def __init__(self, explanation: _Optional[str] = ..., slot: _Optional[_Union[Slot, _Mapping]] = ..., nearest_slots: _Optional[_Iterable[_Union[PlannedSlot, _Mapping]]] = ...) -> None: ...

class BackfillSlotsRequest(_message.Message):
    __slots__ = ("parent", "slots", "start_time", "end_time", "trigger", "overlap", "etag", "request_id", "validate_only")
    class Overlap(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OVERLAP_UNSPECIFIED: _ClassVar[BackfillSlotsRequest.Overlap]
        QUEUE: _ClassVar[BackfillSlotsRequest.Overlap]
        ALWAYS: _ClassVar[BackfillSlotsRequest.Overlap]
    OVERLAP_UNSPECIFIED: BackfillSlotsRequest.Overlap
    QUEUE: BackfillSlotsRequest.Overlap
    ALWAYS: BackfillSlotsRequest.Overlap
    PARENT_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    slots: _containers.RepeatedScalarFieldContainer[str]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    trigger: str
    overlap: BackfillSlotsRequest.Overlap
    etag: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., slots: _Optional[_Iterable[str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trigger: _Optional[str] = ..., overlap: _Optional[_Union[BackfillSlotsRequest.Overlap, str]] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class BackfillSlotsResponse(_message.Message):
    __slots__ = ("slots", "left_out")
    class LeftOut(_message.Message):
        __slots__ = ("cause", "count")
        class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            CAUSE_UNSPECIFIED: _ClassVar[BackfillSlotsResponse.LeftOut.Cause]
            HAS_RUN: _ClassVar[BackfillSlotsResponse.LeftOut.Cause]
            SKIPPED_DST: _ClassVar[BackfillSlotsResponse.LeftOut.Cause]
            BACKFILLED: _ClassVar[BackfillSlotsResponse.LeftOut.Cause]
            TRIGGER_GONE: _ClassVar[BackfillSlotsResponse.LeftOut.Cause]
            INVALID_INPUTS: _ClassVar[BackfillSlotsResponse.LeftOut.Cause]
        CAUSE_UNSPECIFIED: BackfillSlotsResponse.LeftOut.Cause
        HAS_RUN: BackfillSlotsResponse.LeftOut.Cause
        SKIPPED_DST: BackfillSlotsResponse.LeftOut.Cause
        BACKFILLED: BackfillSlotsResponse.LeftOut.Cause
        TRIGGER_GONE: BackfillSlotsResponse.LeftOut.Cause
        INVALID_INPUTS: BackfillSlotsResponse.LeftOut.Cause
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        COUNT_FIELD_NUMBER: _ClassVar[int]
        cause: BackfillSlotsResponse.LeftOut.Cause
        count: int
        def __init__(self, cause: _Optional[_Union[BackfillSlotsResponse.LeftOut.Cause, str]] = ..., count: _Optional[int] = ...) -> None: ...
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    left_out: _containers.RepeatedCompositeFieldContainer[BackfillSlotsResponse.LeftOut]
    def __init__(self, slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., left_out: _Optional[_Iterable[_Union[BackfillSlotsResponse.LeftOut, _Mapping]]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
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

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("name", "after_sequence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_sequence: int
    def __init__(self, name: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListActionTypesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListActionTypesResponse(_message.Message):
    __slots__ = ("action_types", "next_page_token")
    ACTION_TYPES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    action_types: _containers.RepeatedCompositeFieldContainer[ActionType]
    next_page_token: str
    def __init__(self, action_types: _Optional[_Iterable[_Union[ActionType, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ActionType(_message.Message):
    __slots__ = ("type", "display_name", "description", "config_schema")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    type: str
    display_name: str
    description: str
    config_schema: _struct_pb2.Struct
    def __init__(self, type: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., config_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ListTriggerTypesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTriggerTypesResponse(_message.Message):
    __slots__ = ("trigger_types", "next_page_token")
    TRIGGER_TYPES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    trigger_types: _containers.RepeatedCompositeFieldContainer[TriggerType]
    next_page_token: str
    def __init__(self, trigger_types: _Optional[_Iterable[_Union[TriggerType, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TriggerType(_message.Message):
    __slots__ = ("type", "description", "config_schema", "payload_schema")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CONFIG_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    type: str
    description: str
    config_schema: _struct_pb2.Struct
    payload_schema: _struct_pb2.Struct
    def __init__(self, type: _Optional[str] = ..., description: _Optional[str] = ..., config_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., payload_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ListCapabilitiesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCapabilitiesResponse(_message.Message):
    __slots__ = ("capabilities", "next_page_token")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedCompositeFieldContainer[Capability]
    next_page_token: str
    def __init__(self, capabilities: _Optional[_Iterable[_Union[Capability, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Capability(_message.Message):
    __slots__ = ("id", "description", "input_schema", "output_schema")
    ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    id: str
    description: str
    input_schema: _struct_pb2.Struct
    output_schema: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., description: _Optional[str] = ..., input_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
