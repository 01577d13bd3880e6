import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import field_info_pb2 as _field_info_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InboxItemView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INBOX_ITEM_VIEW_UNSPECIFIED: _ClassVar[InboxItemView]
    INBOX_ITEM_VIEW_BASIC: _ClassVar[InboxItemView]
    INBOX_ITEM_VIEW_FULL: _ClassVar[InboxItemView]
INBOX_ITEM_VIEW_UNSPECIFIED: InboxItemView
INBOX_ITEM_VIEW_BASIC: InboxItemView
INBOX_ITEM_VIEW_FULL: InboxItemView

class InboxItem(_message.Message):
    __slots__ = ("name", "kind", "state", "subject", "snippet", "body", "format", "automation", "run", "delivery", "thread", "approval", "destination", "create_time", "read_time")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[InboxItem.Kind]
        RESULT: _ClassVar[InboxItem.Kind]
        RUN_FAILED: _ClassVar[InboxItem.Kind]
        APPROVAL_WAITING: _ClassVar[InboxItem.Kind]
        AUTOMATION_PAUSED: _ClassVar[InboxItem.Kind]
        AUTOMATION_RESUMED: _ClassVar[InboxItem.Kind]
        TRIGGER_DISABLED: _ClassVar[InboxItem.Kind]
        DESTINATION_PAUSED: _ClassVar[InboxItem.Kind]
        DELIVERY_FAILED: _ClassVar[InboxItem.Kind]
    KIND_UNSPECIFIED: InboxItem.Kind
    RESULT: InboxItem.Kind
    RUN_FAILED: InboxItem.Kind
    APPROVAL_WAITING: InboxItem.Kind
    AUTOMATION_PAUSED: InboxItem.Kind
    AUTOMATION_RESUMED: InboxItem.Kind
    TRIGGER_DISABLED: InboxItem.Kind
    DESTINATION_PAUSED: InboxItem.Kind
    DELIVERY_FAILED: InboxItem.Kind
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[InboxItem.State]
        UNREAD: _ClassVar[InboxItem.State]
        READ: _ClassVar[InboxItem.State]
    STATE_UNSPECIFIED: InboxItem.State
    UNREAD: InboxItem.State
    READ: InboxItem.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SNIPPET_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUTOMATION_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    THREAD_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: InboxItem.Kind
    state: InboxItem.State
    subject: str
    snippet: str
    body: str
    format: str
    automation: str
    run: str
    delivery: str
    thread: str
    approval: str
    destination: str
    create_time: _timestamp_pb2.Timestamp
    read_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[InboxItem.Kind, str]] = ..., state: _Optional[_Union[InboxItem.State, str]] = ..., subject: _Optional[str] = ..., snippet: _Optional[str] = ..., body: _Optional[str] = ..., format: _Optional[str] = ..., automation: _Optional[str] = ..., run: _Optional[str] = ..., delivery: _Optional[str] = ..., thread: _Optional[str] = ..., approval: _Optional[str] = ..., destination: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class InboxEvent(_message.Message):
    __slots__ = ("sequence", "unread_count", "item", "heartbeat")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    unread_count: int
    item: InboxItem
    heartbeat: InboxHeartbeat
    def __init__(self, sequence: _Optional[int] = ..., unread_count: _Optional[int] = ..., item: _Optional[_Union[InboxItem, _Mapping]] = ..., heartbeat: _Optional[_Union[InboxHeartbeat, _Mapping]] = ...) -> None: ...

class InboxHeartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInboxItemRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListInboxItemsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter", "view")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    view: InboxItemView
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ..., view: _Optional[_Union[InboxItemView, str]] = ...) -> None: ...

class ListInboxItemsResponse(_message.Message):
    __slots__ = ("inbox_items", "next_page_token", "unread_count", "sequence")
    INBOX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    inbox_items: _containers.RepeatedCompositeFieldContainer[InboxItem]
    next_page_token: str
    unread_count: int
    sequence: int
    def __init__(self, inbox_items: _Optional[_Iterable[_Union[InboxItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., unread_count: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class WatchInboxItemsRequest(_message.Message):
    __slots__ = ("parent", "after_sequence")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    parent: str
    after_sequence: int
    def __init__(self, parent: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class MarkInboxItemsRequest(_message.Message):
    __slots__ = ("parent", "names", "thread", "end_time", "unread", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    THREAD_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    names: _containers.RepeatedScalarFieldContainer[str]
    thread: str
    end_time: _timestamp_pb2.Timestamp
    unread: bool
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., thread: _Optional[str] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unread: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class MarkInboxItemsResponse(_message.Message):
    __slots__ = ("marked_count", "unread_count")
    MARKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    marked_count: int
    unread_count: int
    def __init__(self, marked_count: _Optional[int] = ..., unread_count: _Optional[int] = ...) -> None: ...
