"""Who may call which gRPC service."""

from collections.abc import Mapping
from typing import Final

from shared import errors
from shared.security.caller import Caller

# People, whom the gateway lets through; the others are services.
PEOPLE: Final = ""
CALLERS: Final[Mapping[str, frozenset[str]]] = {
    "rota.chat.v1.ChatService": frozenset({PEOPLE}),
    "rota.automation.v1.AutomationService": frozenset({PEOPLE, "chat_service"}),
    "rota.agent.v1.AgentService": frozenset({"automation_service"}),
    "rota.notice.v1.NoticeService": frozenset({"chat_service"}),
}


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
