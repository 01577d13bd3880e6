"""The reference of the configuration says what the code reads."""

from collections.abc import Iterator, Mapping

import pytest
from pydantic_settings import BaseSettings

from automation_service.settings import AutomationSettings
from chat_service.settings import ChatSettings
from devstack import settings as devstack
from gateway.envoy_config import DEFAULTS, render
from tools import configuration


class Watched(Mapping[str, str]):
    """An environment that knows what was asked of it."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.given = values
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return self.given[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def test_the_page_is_what_the_settings_make_it() -> None:
    assert (configuration.ROOT / configuration.PAGE).read_text() == configuration.render_document()


@pytest.mark.parametrize("kind", [ChatSettings, AutomationSettings])
def test_every_setting_of_a_service_says_what_it_means(kind: type[BaseSettings]) -> None:
    rows = list(configuration.settings(kind))
    assert len(rows) == len(kind.model_fields)
    assert [variable for variable, _, meaning in rows if not meaning] == []


def test_everything_that_make_run_reads_is_on_the_page() -> None:
    environment = Watched({})
    devstack.read(environment)
    assert environment.asked <= {variable for variable, _, _ in configuration.DEVSTACK}


def test_everything_that_the_gateway_renders_from_is_on_the_page() -> None:
    environment = Watched({**DEFAULTS, "ROTA_JWKS_FILE": "keys.json"})
    render(environment)
    assert environment.asked <= {variable for variable, _, _ in configuration.GATEWAY}


def test_a_page_that_is_out_of_date_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["configuration", "--check"])
    assert configuration.main() == 0
    monkeypatch.setattr(configuration, "INTRODUCTION", "Something else.")
    assert configuration.main() == 1
