"""Settings from the environment, and what a person reads of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from automation_service.settings import AutomationSettings
from chat_service.settings import ChatSettings
from shared.settings import ServiceSettings, describe, explain, variable_of

SERVICES: list[type[ServiceSettings]] = [ChatSettings, AutomationSettings]
REQUIRED = {
    "DATABASE_URL": "postgresql://u:hidden@h/d",
    "ROTA_JWKS_FILE": "/users.json",
    "ROTA_SERVICE_JWKS_FILE": "/services.json",
    "ROTA_SERVICE_KEY_FILE": "/key.pem",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for service in SERVICES:
        for name in service.model_fields:
            monkeypatch.delenv(variable_of(service, name), raising=False)
    for variable, value in REQUIRED.items():
        monkeypatch.setenv(variable, value)
    return monkeypatch


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_its_variables(
    environment: pytest.MonkeyPatch, service: type[ServiceSettings]
) -> None:
    environment.setenv("ROTA_LISTEN", "0.0.0.0:1")
    environment.setenv("ROTA_POOL_SIZE", "")
    found = service()
    assert found.jwks_file == Path("/users.json")
    assert found.model_dump()["listen"] == "0.0.0.0:1"
    assert found.model_dump()["pool_size"] == 20  # empty is not set


def test_variables_with_names_of_their_own(environment: pytest.MonkeyPatch) -> None:
    for variable in ("ROTA_MODELS", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        environment.setenv(variable, f"/{variable}")
    found = ChatSettings()
    assert found.models_file == Path("/ROTA_MODELS")
    assert found.openai_api_key.get_secret_value() == "/OPENAI_API_KEY"
    assert found.openai_base_url == "/OPENAI_BASE_URL"


@pytest.mark.parametrize("service", SERVICES)
def test_a_fault_names_its_variable_and_shows_no_value(
    environment: pytest.MonkeyPatch, service: type[ServiceSettings]
) -> None:
    environment.delenv("ROTA_JWKS_FILE")
    environment.delenv("DATABASE_URL")
    environment.setenv("ROTA_GRACE_SECONDS", "secret")
    with pytest.raises(ValidationError) as caught:
        service()
    text = explain(service, caught.value)
    assert "  ROTA_JWKS_FILE: is not set" in text
    assert "  DATABASE_URL: is not set" in text
    assert "  ROTA_GRACE_SECONDS: " in text
    assert "secret" not in text.lower()


@pytest.mark.parametrize("service", SERVICES)
def test_help_has_a_line_for_each_variable(service: type[ServiceSettings]) -> None:
    lines = describe(service).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        variable_of(service, name) for name in service.model_fields
    ]
    assert any("default empty" in line for line in lines)


def test_a_password_in_the_url_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    assert "hidden" not in repr(AutomationSettings()) + repr(ChatSettings())
