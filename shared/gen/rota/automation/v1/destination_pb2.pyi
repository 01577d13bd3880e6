import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import field_info_pb2 as _field_info_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rota.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Destination(_message.Message):
    __slots__ = ("name", "display_name", "email", "slack", "discord", "teams", "telegram", "matrix", "ntfy", "pushover", "webhook", "kind", "host", "personal", "owner", "creator", "state", "pause_reason", "last_error", "consecutive_failures", "verified_member", "verify_time", "secret_hint", "create_time", "update_time", "etag", "payload_digest", "code_expire_time")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Destination.Kind]
        EMAIL: _ClassVar[Destination.Kind]
        SLACK: _ClassVar[Destination.Kind]
        DISCORD: _ClassVar[Destination.Kind]
        TEAMS: _ClassVar[Destination.Kind]
        TELEGRAM: _ClassVar[Destination.Kind]
        MATRIX: _ClassVar[Destination.Kind]
        NTFY: _ClassVar[Destination.Kind]
        PUSHOVER: _ClassVar[Destination.Kind]
        WEBHOOK: _ClassVar[Destination.Kind]
    KIND_UNSPECIFIED: Destination.Kind
    EMAIL: Destination.Kind
    SLACK: Destination.Kind
    DISCORD: Destination.Kind
    TEAMS: Destination.Kind
    TELEGRAM: Destination.Kind
    MATRIX: Destination.Kind
    NTFY: Destination.Kind
    PUSHOVER: Destination.Kind
    WEBHOOK: Destination.Kind
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Destination.State]
        ACTIVE: _ClassVar[Destination.State]
        PAUSED: _ClassVar[Destination.State]
        UNVERIFIED: _ClassVar[Destination.State]
    STATE_UNSPECIFIED: Destination.State
    ACTIVE: Destination.State
    PAUSED: Destination.State
    UNVERIFIED: Destination.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    SLACK_FIELD_NUMBER: _ClassVar[int]
    DISCORD_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    TELEGRAM_FIELD_NUMBER: _ClassVar[int]
    MATRIX_FIELD_NUMBER: _ClassVar[int]
    NTFY_FIELD_NUMBER: _ClassVar[int]
    PUSHOVER_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAUSE_REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_MEMBER_FIELD_NUMBER: _ClassVar[int]
    VERIFY_TIME_FIELD_NUMBER: _ClassVar[int]
    SECRET_HINT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CODE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    email: EmailSettings
    slack: SlackSettings
    discord: DiscordSettings
    teams: TeamsSettings
    telegram: TelegramSettings
    matrix: MatrixSettings
    ntfy: NtfySettings
    pushover: PushoverSettings
    webhook: WebhookSettings
    kind: Destination.Kind
    host: str
    personal: bool
    owner: str
    creator: str
    state: Destination.State
    pause_reason: str
    last_error: str
    consecutive_failures: int
    verified_member: str
    verify_time: _timestamp_pb2.Timestamp
    secret_hint: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    payload_digest: str
    code_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., email: _Optional[_Union[EmailSettings, _Mapping]] = ..., slack: _Optional[_Union[SlackSettings, _Mapping]] = ..., discord: _Optional[_Union[DiscordSettings, _Mapping]] = ..., teams: _Optional[_Union[TeamsSettings, _Mapping]] = ..., telegram: _Optional[_Union[TelegramSettings, _Mapping]] = ..., matrix: _Optional[_Union[MatrixSettings, _Mapping]] = ..., ntfy: _Optional[_Union[NtfySettings, _Mapping]] = ..., pushover: _Optional[_Union[PushoverSettings, _Mapping]] = ..., webhook: _Optional[_Union[WebhookSettings, _Mapping]] = ..., kind: _Optional[_Union[Destination.Kind, str]] = ..., host: _Optional[str] = ..., personal: _Optional[bool] = ..., owner: _Optional[str] = ..., creator: _Optional[str] = ..., state: _Optional[_Union[Destination.State, str]] = ..., pause_reason: _Optional[str] = ..., last_error: _Optional[str] = ..., consecutive_failures: _Optional[int] = ..., verified_member: _Optional[str] = ..., verify_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., secret_hint: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., payload_digest: _Optional[str] = ..., code_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EmailSettings(_message.Message):
    __slots__ = ("address",)
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: str
    def __init__(self, address: _Optional[str] = ...) -> None: ...

class SlackSettings(_message.Message):
    __slots__ = ("webhook_url",)
    WEBHOOK_URL_FIELD_NUMBER: _ClassVar[int]
    webhook_url: str
    def __init__(self, webhook_url: _Optional[str] = ...) -> None: ...

class DiscordSettings(_message.Message):
    __slots__ = ("webhook_url", "thread_id")
    WEBHOOK_URL_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    webhook_url: str
    thread_id: str
    def __init__(self, webhook_url: _Optional[str] = ..., thread_id: _Optional[str] = ...) -> None: ...

class TeamsSettings(_message.Message):
    __slots__ = ("webhook_url",)
    WEBHOOK_URL_FIELD_NUMBER: _ClassVar[int]
    webhook_url: str
    def __init__(self, webhook_url: _Optional[str] = ...) -> None: ...

class TelegramSettings(_message.Message):
    __slots__ = ("bot_token", "chat_id", "message_thread_id", "server")
    BOT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CHAT_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    bot_token: str
    chat_id: str
    message_thread_id: int
    server: str
    def __init__(self, bot_token: _Optional[str] = ..., chat_id: _Optional[str] = ..., message_thread_id: _Optional[int] = ..., server: _Optional[str] = ...) -> None: ...

class MatrixSettings(_message.Message):
    __slots__ = ("homeserver", "access_token", "room_id")
    HOMESERVER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    homeserver: str
    access_token: str
    room_id: str
    def __init__(self, homeserver: _Optional[str] = ..., access_token: _Optional[str] = ..., room_id: _Optional[str] = ...) -> None: ...

class NtfySettings(_message.Message):
    __slots__ = ("server", "topic", "access_token")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    server: str
    topic: str
    access_token: str
    def __init__(self, server: _Optional[str] = ..., topic: _Optional[str] = ..., access_token: _Optional[str] = ...) -> None: ...

class PushoverSettings(_message.Message):
    __slots__ = ("app_token", "user_key", "device")
    APP_TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_KEY_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    app_token: str
    user_key: str
    device: str
    def __init__(self, app_token: _Optional[str] = ..., user_key: _Optional[str] = ..., device: _Optional[str] = ...) -> None: ...

class WebhookSettings(_message.Message):
    __slots__ = ("uri", "signing_secret", "include_output")
    URI_FIELD_NUMBER: _ClassVar[int]
    SIGNING_SECRET_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    uri: str
    signing_secret: str
    include_output: bool
    def __init__(self, uri: _Optional[str] = ..., signing_secret: _Optional[str] = ..., include_output: _Optional[bool] = ...) -> None: ...

class CreateDestinationRequest(_message.Message):
    __slots__ = ("parent", "destination", "destination_id", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    destination: Destination
    destination_id: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., destination: _Optional[_Union[Destination, _Mapping]] = ..., destination_id: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetDestinationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListDestinationsRequest(_message.Message):
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

class ListDestinationsResponse(_message.Message):
    __slots__ = ("destinations", "next_page_token")
    DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    destinations: _containers.RepeatedCompositeFieldContainer[Destination]
    next_page_token: str
    def __init__(self, destinations: _Optional[_Iterable[_Union[Destination, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateDestinationRequest(_message.Message):
    __slots__ = ("destination", "update_mask", "request_id", "validate_only", "payload_digest")
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    destination: Destination
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    payload_digest: str
    def __init__(self, destination: _Optional[_Union[Destination, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., payload_digest: _Optional[str] = ...) -> None: ...

class DeleteDestinationRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class EnableDestinationRequest(_message.Message):
    __slots__ = ("name", "etag", "request_id", "send_missed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEND_MISSED_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    request_id: str
    send_missed: bool
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., send_missed: _Optional[bool] = ...) -> None: ...

class TestDestinationRequest(_message.Message):
    __slots__ = ("name", "verify", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    verify: bool
    request_id: str
    def __init__(self, name: _Optional[str] = ..., verify: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class TestDestinationResponse(_message.Message):
    __slots__ = ("destination", "status_code", "error")
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    destination: Destination
    status_code: int
    error: str
    def __init__(self, destination: _Optional[_Union[Destination, _Mapping]] = ..., status_code: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class VerifyDestinationRequest(_message.Message):
    __slots__ = ("name", "code", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    code: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., code: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
