"""What each process is told beside its addresses."""

from pathlib import Path

import pytest

from devstack import keys
from devstack.programs import AUTOMATION, CHAT, Programs
from devstack.settings import Settings


@pytest.mark.parametrize(
    ("given", "chat", "automation"),
    [({"ROTA_METRICS_PORT": "9100"}, "9100", "9101"), ({}, None, None),
     ({"ROTA_METRICS_PORT": "0"}, "0", "0")],
)  # fmt: skip
def test_each_service_serves_metrics_on_a_port_of_its_own(
    tmp_path: Path, given: dict[str, str], chat: str | None, automation: str | None
) -> None:
    settings = Settings(
        state_dir=tmp_path, gateway_port=1, chat_port=2, automation_port=3, environment=given
    )
    programs = Programs(
        settings=settings,
        keys=keys.ensure(tmp_path),
        databases={CHAT: "postgresql:///chat", AUTOMATION: "postgresql:///automation"},
        model_port=0,
    )

    told = {name: programs.service(name).environment for name in (CHAT, AUTOMATION)}

    assert told[CHAT].get("ROTA_METRICS_PORT") == chat
    assert told[AUTOMATION].get("ROTA_METRICS_PORT") == automation
