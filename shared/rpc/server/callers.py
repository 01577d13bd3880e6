"""Who may call which gRPC service, and what a call takes: a resource, and a role there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any, Final

from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from shared import errors
from shared.rpc.access import Role
from shared.security.caller import Caller

# People, whom the gateway lets through; the others are services.
PEOPLE: Final = ""
CALLERS: Final[Mapping[str, frozenset[str]]] = {
    "rota.chat.v1.ChatService": frozenset({PEOPLE}),
    "rota.automation.v1.AutomationService": frozenset({PEOPLE, "chat_service"}),
    "rota.automation.v1.DestinationService": frozenset({PEOPLE, "chat_service"}),
    "rota.automation.v1.InboxService": frozenset({PEOPLE, "chat_service"}),
    "rota.automation.v1.DeliveryService": frozenset({PEOPLE, "chat_service"}),
    "rota.automation.v1.NoticeSettingsService": frozenset({PEOPLE}),
    "rota.agent.v1.AgentService": frozenset({"automation_service"}),
    "rota.notice.v1.NoticeService": frozenset({"chat_service"}),
}
# The calls that take another role than an editor's.
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "viewer": frozenset(
        {
            "/rota.chat.v1.ChatService/GetThread",
            "/rota.chat.v1.ChatService/ListThreads",
            "/rota.chat.v1.ChatService/ListMessages",
            "/rota.chat.v1.ChatService/WatchTurn",
            "/rota.chat.v1.ChatService/GetTurn",
            "/rota.chat.v1.ChatService/ListTurns",
            "/rota.chat.v1.ChatService/GetApproval",
            "/rota.chat.v1.ChatService/ListApprovals",
            "/rota.chat.v1.ChatService/GetModelConfig",
            "/rota.chat.v1.ChatService/ListModelConfigs",
            "/rota.automation.v1.AutomationService/GetAutomation",
            "/rota.automation.v1.AutomationService/ListAutomations",
            "/rota.automation.v1.AutomationService/GetTrigger",
            "/rota.automation.v1.AutomationService/ListTriggers",
            "/rota.automation.v1.AutomationService/ListRevisions",
            "/rota.automation.v1.AutomationService/GetRevision",
            "/rota.automation.v1.AutomationService/PreviewSchedule",
            "/rota.automation.v1.AutomationService/ListSlots",
            "/rota.automation.v1.AutomationService/ExplainSlot",
            "/rota.automation.v1.AutomationService/GetRun",
            "/rota.automation.v1.AutomationService/ListRuns",
            "/rota.automation.v1.AutomationService/WatchRun",
            "/rota.automation.v1.AutomationService/ListActionTypes",
            "/rota.automation.v1.AutomationService/ListTriggerTypes",
            "/rota.automation.v1.AutomationService/ListCapabilities",
            "/rota.automation.v1.DestinationService/GetDestination",
            "/rota.automation.v1.DestinationService/ListDestinations",
            "/rota.automation.v1.InboxService/GetInboxItem",
            "/rota.automation.v1.InboxService/ListInboxItems",
            "/rota.automation.v1.InboxService/WatchInboxItems",
            "/rota.automation.v1.InboxService/MarkInboxItems",
            "/rota.automation.v1.DeliveryService/GetDelivery",
            "/rota.automation.v1.DeliveryService/ListDeliveries",
            "/rota.automation.v1.NoticeSettingsService/GetNoticeSettings",
            "/rota.automation.v1.NoticeSettingsService/UpdateNoticeSettings",
        }
    ),
    "owner": frozenset(
        {
            "/rota.automation.v1.AutomationService/GetWebhook",
            "/rota.automation.v1.AutomationService/UpdateWebhook",
            "/rota.automation.v1.AutomationService/RotateWebhookSecret",
            "/rota.automation.v1.AutomationService/TestWebhook",
            "/rota.automation.v1.AutomationService/GetWebhookDelivery",
            "/rota.automation.v1.AutomationService/ListWebhookDeliveries",
        }
    ),
}
# An internal call has no path; this field of it names the workspace.
_WORKSPACE: Final = "workspace"
_VERBS: Final = ("get", "post", "put", "patch", "delete")


def require_caller(
    method: str, who: Caller, callers: Mapping[str, frozenset[str]] = CALLERS
) -> None:
    """Refuses a caller that the table does not name for the service of `method`.

    Raises Unauthenticated for a person, and PERMISSION_DENIED for a service.
    """
    allowed = callers.get(method.split("/")[1], frozenset())
    if who.service in allowed:
        return
    if not who.service:
        raise errors.Unauthenticated("only a service may call this")
    raise errors.RotaError(
        f"{who.service} may not call this",
        code=errors.Code.PERMISSION_DENIED,
        reason="PERMISSION_DENIED",
        metadata={"service": who.service},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """`path` is `/{service}/{method}`. `field` is the path of the resource name, if there is one.

    `name_of` returns the name in a request; empty if it has none. `request` is the type of the
    request, if the descriptors have the method.
    """

    path: str
    field: str = ""
    role: Role = "editor"
    name_of: Callable[[Message], str] = lambda request: ""
    request: Descriptor | None = None


@cache
def find_method(path: str) -> Method:
    """Returns what the descriptors say of a method that is served."""
    service, _, name = path.strip("/").partition("/")
    try:
        found: Any = descriptor_pool.Default().FindServiceByName(service)
        method = found.methods_by_name[name]
    except KeyError:
        return Method(path=path)
    field = _field(method)
    if not field:
        return Method(path=path, role=_role(path), request=method.input_type)
    return Method(
        path=path,
        field=field,
        role=_role(path),
        name_of=attrgetter(field),
        request=method.input_type,
    )


def _role(path: str) -> Role:
    if path in ROLES["viewer"]:
        return "viewer"
    return "owner" if path in ROLES["owner"] else "editor"


def _field(method: MethodDescriptor) -> str:
    """The fields that the path of HTTP begins with: `/v1/{thread.name=workspaces/*/threads/*}`."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    template = next((getattr(rule, verb) for verb in _VERBS if getattr(rule, verb)), "")
    if bound := re.search(r"\{([\w.]+)", template):
        return bound[1]
    return _WORKSPACE if _WORKSPACE in method.input_type.fields_by_name else ""
