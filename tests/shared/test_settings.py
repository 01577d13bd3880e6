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
    for variable in ("ROTA_MODELS", "OPENAI_API_KEY"):
        environment.setenv(variable, f"/{variable}")
    environment.setenv("OPENAI_BASE_URL", "http://[::1]:8000/v1")
    found = ChatSettings()
    assert found.models_file == Path("/ROTA_MODELS")
    assert found.openai_api_key.get_secret_value() == "/OPENAI_API_KEY"
    assert found.openai_base_url == "http://[::1]:8000/v1"


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        "localhost:8000/v1",
        "//host/v1",
        "/v1",
        "https://",
        "ftp://host/v1",
        "http://[::1/v1",
        "http://host:port/v1",
        "http://host:0/v1",
        "http://host:99999/v1",
        "http://a host/v1",
        "http://256.256.256.256/v1",
        "http://[v1.x]/v1",
        "http://${HOST}/v1",
        "http://host/v1\n",
    ],
)
def test_an_endpoint_of_models_that_is_no_url_is_refused(
    environment: pytest.MonkeyPatch, value: str
) -> None:
    environment.setenv("OPENAI_BASE_URL", value)
    with pytest.raises(ValidationError) as caught:
        ChatSettings()
    assert "  OPENAI_BASE_URL: must be an http or https URL" in explain(ChatSettings, caught.value)


@pytest.mark.parametrize("value", ["http://host/v1?a=b", "http://host/v1#a", "http://host/v1?"])
def test_an_endpoint_of_models_has_no_query(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("OPENAI_BASE_URL", value)
    with pytest.raises(ValidationError) as caught:
        ChatSettings()
    assert "must not hold a query or a fragment" in explain(ChatSettings, caught.value)


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


def test_one_process_has_the_settings_as_they_are(environment: pytest.MonkeyPatch) -> None:
    for service in SERVICES:
        assert service().of_process(0) == service()


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_processes_have_ports_of_their_own_and_share_connections(
    environment: pytest.MonkeyPatch, processes: int
) -> None:
    environment.setenv("ROTA_PROCESSES", str(processes))
    environment.setenv("ROTA_LISTEN", "[::]:7001")
    environment.setenv("ROTA_METRICS_PORT", "9100")
    environment.setenv("ROTA_PEER_ADDRESS", "a:1, b:2")
    numbers = range(processes)
    for service in SERVICES:
        each = [service().of_process(number) for number in numbers]
        assert [one.listen for one in each] == [f"[::]:{7001 + n}" for n in numbers]
        assert [one.metrics_port for one in each] == [9100 + n for n in numbers]
        assert [one.peer_address for one in each] == [
            ("a:1,b:2", "b:2,a:1")[n % 2] for n in numbers
        ]
        for name in service.process_minimum:
            shares = [getattr(one, name) for one in each]
            assert sum(shares) == getattr(service(), name)
            assert max(shares) - min(shares) <= 1
            assert min(shares) >= service.process_minimum[name]
    chat, automation = ChatSettings(), AutomationSettings()
    assert chat.checkpoint_pool_size * processes <= 10
    assert automation.queue_pool_size * processes <= max(6, 3 * processes)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"ROTA_PROCESSES": "6"}, "ROTA_POOL_SIZE: 6 processes (ROTA_PROCESSES) need at least 24"),
        ({"ROTA_LISTEN": "127.0.0.1:0"}, "ROTA_PROCESSES: ROTA_LISTEN needs a port from 1 to"),
        ({"ROTA_LISTEN": "127.0.0.1:65535"}, "ROTA_PROCESSES: ROTA_LISTEN needs a port from 1 to"),
        ({"ROTA_LISTEN": "unix:/socket"}, "ROTA_PROCESSES: ROTA_LISTEN needs a port from 1 to"),
        ({"ROTA_METRICS_PORT": "65535"}, "ROTA_PROCESSES: ROTA_METRICS_PORT can be 65534 at most"),
        (
            {"ROTA_METRICS_PORT": "7002", "ROTA_LISTEN": "h:7001"},
            "ROTA_PROCESSES: ROTA_LISTEN and ROTA_METRICS_PORT must be 2 ports apart",
        ),
        ({"ROTA_PROCESSES": "0"}, "ROTA_PROCESSES: Input should be greater than or equal to 1"),
        ({"ROTA_PROCESSES": "65"}, "ROTA_PROCESSES: Input should be less than or equal to 64"),
    ],
)
@pytest.mark.parametrize("service", SERVICES)
def test_what_processes_cannot_divide_is_refused(
    environment: pytest.MonkeyPatch,
    service: type[ServiceSettings],
    told: dict[str, str],
    fault: str,
) -> None:
    for variable, value in {"ROTA_PROCESSES": "2", **told}.items():
        environment.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        service()
    assert f"  {fault}" in explain(service, caught.value)


def test_runs_are_divided_by_processes_that_each_carry_some(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("ROTA_PROCESSES", "4")
    environment.setenv("ROTA_CONCURRENT_RUNS", "79")
    with pytest.raises(ValidationError) as caught:
        AutomationSettings()
    assert "ROTA_CONCURRENT_RUNS: 4 processes (ROTA_PROCESSES) need at least 80" in explain(
        AutomationSettings, caught.value
    )
