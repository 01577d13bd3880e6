"""What each process is told beside its addresses."""

from pathlib import Path

import pytest

from devstack import keys
from devstack.programs import AUTOMATION, CHAT, Programs
from devstack.settings import Settings, read


def programs(settings: Settings) -> Programs:
    return Programs(
        settings=settings,
        keys=keys.ensure(settings.state_dir),
        databases={CHAT: "postgresql:///chat", AUTOMATION: "postgresql:///automation"},
        model_port=0,
        http_port=4,
    )


@pytest.mark.parametrize(
    ("given", "chat", "automation"),
    [({"ROTA_METRICS_PORT": "9100"}, "9100", "9101"), ({}, None, None),
     ({"ROTA_METRICS_PORT": "0"}, "0", "0")],
)  # fmt: skip
def test_each_service_serves_metrics_on_a_port_of_its_own(
    tmp_path: Path, given: dict[str, str], chat: str | None, automation: str | None
) -> None:
    made = programs(
        Settings(
            state_dir=tmp_path, gateway_port=1, chat_port=2, automation_port=3, environment=given
        )
    )

    told = {name: made.service(name).environment for name in (CHAT, AUTOMATION)}

    assert told[CHAT].get("ROTA_METRICS_PORT") == chat
    assert told[AUTOMATION].get("ROTA_METRICS_PORT") == automation


def test_the_gateway_and_the_peer_are_told_every_process(tmp_path: Path) -> None:
    given = {"ROTA_PROCESSES": "3", "ROTA_METRICS_PORT": "9100", "ROTA_STATE_DIR": str(tmp_path)}
    made = programs(read(given))
    chat, automation, gateway = (
        child.environment
        for child in (made.service(CHAT), made.service(AUTOMATION), made.gateway())
    )
    chats = "127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"
    automations = "127.0.0.1:7004,127.0.0.1:7005,127.0.0.1:7006"

    assert gateway["ROTA_CHAT_ADDRESS"] == automation["ROTA_PEER_ADDRESS"] == chats
    assert gateway["ROTA_AUTOMATION_ADDRESS"] == chat["ROTA_PEER_ADDRESS"] == automations
    assert (chat["ROTA_LISTEN"], automation["ROTA_LISTEN"]) == ("127.0.0.1:7001", "127.0.0.1:7004")
    assert (chat["ROTA_METRICS_PORT"], automation["ROTA_METRICS_PORT"]) == ("9100", "9103")


def test_the_http_door_is_told_where_the_services_are_and_no_secret(tmp_path: Path) -> None:
    made = programs(read({"ROTA_STATE_DIR": str(tmp_path), "DATABASE_URL": "postgresql:///x"}))
    door, gateway = made.http().environment, made.gateway().environment
    assert gateway["ROTA_HTTP_ADDRESS"] == door["ROTA_HTTP_LISTEN"]
    for name in ("ROTA_CHAT_ADDRESS", "ROTA_AUTOMATION_ADDRESS"):
        assert door[name] == gateway[name]
    told = {name for name in door if "KEY" in name or "DATABASE" in name or "TLS" in name}
    assert told == set()


def test_only_automation_service_is_told_of_the_mail_server_and_what_messages_link_to(
    tmp_path: Path,
) -> None:
    given = {"ROTA_STATE_DIR": str(tmp_path), "ROTA_SMTP_PASSWORD": "secret"}
    made = programs(read(given))
    told = made.service(AUTOMATION).environment
    assert (told["ROTA_SMTP_PASSWORD"], told["ROTA_PAGE_URL"]) == (
        "secret",
        "http://127.0.0.1:8080",
    )
    for other in (made.service(CHAT), made.gateway(), made.http(), made.model()):
        assert "secret" not in other.environment.values()
    page = {"ROTA_PAGE_URL": "https://rota.example.org"}
    assert programs(read({**given, **page})).service(AUTOMATION).environment.items() >= page.items()
