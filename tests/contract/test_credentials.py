"""Every call with every kind of credential: what comes of it follows from the declared roles."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import grpc
import pytest
from grpc_status import rpc_status

from shared.rpc.server.callers import CALLERS, ROLES
from shared.security.caller import ROLES as RANKS
from tests.contract.rows import reason_of
from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.support.credentials.tokens import new_key
from tests.support.system.live import CALLERS as SERVICES
from tests.support.system.live import ENDLESS, INTERNAL, METHODS, PATIENCE, PUBLIC, SOON, Metadata

# A model of one's own and an item of one's inbox are nobody else's to see.
OWN: Final = {
    "InboxService/GetInboxItem",
    "ChatService/GetModelConfig",
    "ChatService/UpdateModelConfig",
    "ChatService/DeleteModelConfig",
    "ChatService/TestModelConfig",
}
# A thread is deleted by whoever made it, or by an owner. So are destinations managed.
MAKERS: Final = {
    "ChatService/DeleteThread",
    "DestinationService/UpdateDestination",
    "DestinationService/DeleteDestination",
    "DestinationService/EnableDestination",
    "DestinationService/TestDestination",
    "DestinationService/VerifyDestination",
}
# The first names no workspace; a task is stopped for whomever it ran.
EVERYWHERE: Final = {"AgentService/ListCapabilities", "AgentService/CancelTask"}
ANSWERED: Final = ""
UNIDENTIFIED: Final = "UNAUTHENTICATED"
STRANGE: Final = "RESOURCE_NOT_FOUND"
LOW: Final = "PERMISSION_DENIED"

Made = Callable[[Stage, str], Metadata]
Wanted = Callable[[str], str]


def bearer(token: str) -> Metadata:
    return [("authorization", f"Bearer {token}")]


def serves(method: str) -> str:
    ours = method.startswith(("ChatService/", "AgentService/"))
    return "chat_service" if ours else "automation_service"


def role_of(method: str) -> str:
    """The least role that a person needs."""
    return next((role for role, paths in ROLES.items() if path_of(method) in paths), "editor")


def path_of(method: str) -> str:
    return f"/{METHODS[method].containing_service.full_name}/{METHODS[method].name}"


def of_person(role: str) -> Wanted:
    """A member with a role: not the one who made what the call names."""

    def wants(method: str) -> str:
        if method in INTERNAL:
            return UNIDENTIFIED
        if RANKS.index(role) < RANKS.index(role_of(method)):
            return LOW
        if method in MAKERS and role != "owner":
            return LOW
        return STRANGE if method in OWN else ANSWERED

    return wants


def of_service(name: str, *, member: bool) -> Wanted:
    def wants(method: str) -> str:
        if name not in CALLERS[METHODS[method].containing_service.full_name]:
            return LOW
        return ANSWERED if member or method in EVERYWHERE else STRANGE

    return wants


def nobody(_: str) -> str:
    return UNIDENTIFIED


def stranger(method: str) -> str:
    return UNIDENTIFIED if method in INTERNAL else STRANGE


def person(**claims: Any) -> Made:
    def made(stage: Stage, _: str) -> Metadata:
        token = stage.live.keys.user_token("ada", {stage.who.id: "owner"}, **claims)
        return bearer(token)

    return made


def service(name: str, *, audience: str = "", user: str = "ada", role: str = "owner") -> Made:
    def made(stage: Stage, method: str) -> Metadata:
        return stage.live.keys.service_headers(
            name,
            audience=audience or serves(method),
            user=user,
            workspace=stage.who.id,
            role=role,
        )

    return made


MATRIX: Final[Mapping[str, tuple[Made, Wanted]]] = {
    "no token": (lambda stage, method: [], nobody),
    "a malformed header": (lambda stage, method: [("authorization", "Bearer")], nobody),
    "a malformed token": (lambda stage, method: bearer("x.y.z"), nobody),
    "an expired token": (person(expires_in=timedelta(minutes=-5)), nobody),
    "another issuer": (person(iss="elsewhere"), nobody),
    "another audience": (person(aud="elsewhere"), nobody),
    "another key": (lambda stage, method: person(key=new_key())(stage, method), nobody),
    "a stranger": (lambda stage, method: stage.live.tenant("bob").metadata(), stranger),
    "a viewer": (lambda stage, method: stage.who.metadata(role="viewer"), of_person("viewer")),
    "an editor": (lambda stage, method: stage.who.metadata(role="editor"), of_person("editor")),
    "chat_service": (service("chat_service"), of_service("chat_service", member=True)),
    "chat_service, for nobody it knows": (
        service("chat_service", user="nobody", role=""),
        of_service("chat_service", member=False),
    ),
    "automation_service": (
        service("automation_service"),
        of_service("automation_service", member=True),
    ),
    "automation_service, for nobody it knows": (
        service("automation_service", user="nobody", role=""),
        of_service("automation_service", member=False),
    ),
    "chat_service, for another service": (service("chat_service", audience="billing"), nobody),
}


def told(stage: Stage, method: str, request: Any, metadata: Metadata, seconds: float) -> str:
    """The reason of the refusal; empty for an answer."""
    try:
        stage.live.raw(method, request, metadata, seconds=seconds)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        return reason_of(status) if status is not None else str(error)
    return ANSWERED


@pytest.mark.parametrize("credential", MATRIX)
def test_a_credential_reaches_what_its_role_may(
    stage: Stage, known: Callable[[str], Any], credential: str
) -> None:
    make, wants = MATRIX[credential]
    found = {}
    for method in METHODS:
        # What is answered may be answered once.
        request = known(method) if wants(method) else first_answer(method).make(stage)
        # A refusal comes, however late; who is answered need not be told anything.
        silent = method in ENDLESS and not wants(method)
        seconds = SOON if silent else PATIENCE
        found[method] = told(stage, method, request, make(stage, method), seconds)
    assert found == {method: wants(method) for method in METHODS}


def test_every_call_of_the_declared_roles_is_public() -> None:
    declared = {path for paths in ROLES.values() for path in paths}
    public = {
        f"/{METHODS[name].containing_service.full_name}/{METHODS[name].name}" for name in PUBLIC
    }
    assert declared <= public
    assert set(SERVICES) == {name.partition("/")[0] for name in INTERNAL}
