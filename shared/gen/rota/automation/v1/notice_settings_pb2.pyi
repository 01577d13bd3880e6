import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import field_info_pb2 as _field_info_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NoticeSettings(_message.Message):
    __slots__ = ("name", "routes", "quiet_hours", "failure_interval", "approval_delay", "update_time", "etag", "payload_digest")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[NoticeSettings.Kind]
        APPROVAL_WAITING: _ClassVar[NoticeSettings.Kind]
        RUN_FAILED: _ClassVar[NoticeSettings.Kind]
        AUTOMATION_PAUSED: _ClassVar[NoticeSettings.Kind]
        DESTINATION_PAUSED: _ClassVar[NoticeSettings.Kind]
        DELIVERY_FAILED: _ClassVar[NoticeSettings.Kind]
    KIND_UNSPECIFIED: NoticeSettings.Kind
    APPROVAL_WAITING: NoticeSettings.Kind
    RUN_FAILED: NoticeSettings.Kind
    AUTOMATION_PAUSED: NoticeSettings.Kind
    DESTINATION_PAUSED: NoticeSettings.Kind
    DELIVERY_FAILED: NoticeSettings.Kind
    class Route(_message.Message):
        __slots__ = ("kind", "places")
        KIND_FIELD_NUMBER: _ClassVar[int]
        PLACES_FIELD_NUMBER: _ClassVar[int]
        kind: NoticeSettings.Kind
        places: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, kind: _Optional[_Union[NoticeSettings.Kind, str]] = ..., places: _Optional[_Iterable[str]] = ...) -> None: ...
    class QuietHours(_message.Message):
        __slots__ = ("time_zone", "start", "end", "days")
        class Day(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            DAY_UNSPECIFIED: _ClassVar[NoticeSettings.QuietHours.Day]
            MONDAY: _ClassVar[NoticeSettings.QuietHours.Day]
            TUESDAY: _ClassVar[NoticeSettings.QuietHours.Day]
            WEDNESDAY: _ClassVar[NoticeSettings.QuietHours.Day]
            THURSDAY: _ClassVar[NoticeSettings.QuietHours.Day]
            FRIDAY: _ClassVar[NoticeSettings.QuietHours.Day]
            SATURDAY: _ClassVar[NoticeSettings.QuietHours.Day]
            SUNDAY: _ClassVar[NoticeSettings.QuietHours.Day]
        DAY_UNSPECIFIED: NoticeSettings.QuietHours.Day
        MONDAY: NoticeSettings.QuietHours.Day
        TUESDAY: NoticeSettings.QuietHours.Day
        WEDNESDAY: NoticeSettings.QuietHours.Day
        THURSDAY: NoticeSettings.QuietHours.Day
        FRIDAY: NoticeSettings.QuietHours.Day
        SATURDAY: NoticeSettings.QuietHours.Day
        SUNDAY: NoticeSettings.QuietHours.Day
        TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
        START_FIELD_NUMBER: _ClassVar[int]
        END_FIELD_NUMBER: _ClassVar[int]
        DAYS_FIELD_NUMBER: _ClassVar[int]
        time_zone: str
        start: str
        end: str
        days: _containers.RepeatedScalarFieldContainer[NoticeSettings.QuietHours.Day]
        def __init__(self, time_zone: _Optional[str] = ..., start: _Optional[str] = ..., end: _Optional[str] = ..., days: _Optional[_Iterable[_Union[NoticeSettings.QuietHours.Day, str]]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    QUIET_HOURS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_DELAY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    routes: _containers.RepeatedCompositeFieldContainer[NoticeSettings.Route]
    quiet_hours: NoticeSettings.QuietHours
    failure_interval: _duration_pb2.Duration
    approval_delay: _duration_pb2.Duration
    update_time: _timestamp_pb2.Timestamp
    etag: str
    payload_digest: str
    def __init__(self, name: _Optional[str] = ..., routes: _Optional[_Iterable[_Union[NoticeSettings.Route, _Mapping]]] = ..., quiet_hours: _Optional[_Union[NoticeSettings.QuietHours, _Mapping]] = ..., failure_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., approval_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., payload_digest: _Optional[str] = ...) -> None: ...

class GetNoticeSettingsRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UpdateNoticeSettingsRequest(_message.Message):
    __slots__ = ("notice_settings", "update_mask", "request_id", "validate_only", "payload_digest")
    NOTICE_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    notice_settings: NoticeSettings
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    payload_digest: str
    def __init__(self, notice_settings: _Optional[_Union[NoticeSettings, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., payload_digest: _Optional[str] = ...) -> None: ...
