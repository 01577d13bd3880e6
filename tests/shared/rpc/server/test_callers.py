"""Who may call which gRPC service."""

import pytest
from rota.agent.v1 import agent_pb2
from rota.automation.v1 import (
    automation_pb2,
    delivery_pb2,
    destination_pb2,
    inbox_pb2,
    notice_settings_pb2,
)
from rota.chat.v1 import chat_pb2
from rota.notice.v1 import notice_pb2

from shared import errors
from shared.rpc.server.callers import CALLERS, require_caller
from shared.security.caller import Caller

FILES = (
    agent_pb2,
    automation_pb2,
    chat_pb2,
    delivery_pb2,
    destination_pb2,
    inbox_pb2,
    notice_pb2,
    notice_settings_pb2,
)


def test_the_table_names_every_service() -> None:
    served = {s.full_name for f in FILES for s in f.DESCRIPTOR.services_by_name.values()}
    assert set(CALLERS) == served


def test_the_token_of_automation_service_reaches_the_agent_only() -> None:
    reached = {name for name, callers in CALLERS.items() if "automation_service" in callers}
    assert reached == {"rota.agent.v1.AgentService"}


@pytest.mark.parametrize("service", ["", "chat_service", "automation_service", "billing"])
@pytest.mark.parametrize("called", [*CALLERS, "rota.billing.v1.BillingService"])
def test_a_caller_that_the_table_does_not_name_is_refused(called: str, service: str) -> None:
    who = Caller(user="ada", service=service)
    if service in CALLERS.get(called, ()):
        require_caller(f"/{called}/Get", who)
        return
    with pytest.raises(errors.RotaError) as caught:
        require_caller(f"/{called}/Get", who)
    expected = errors.Code.PERMISSION_DENIED if service else errors.Code.UNAUTHENTICATED
    assert caught.value.code is expected
