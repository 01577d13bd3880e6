"""What `python -m gateway` makes of the environment."""

from pathlib import Path

import pytest
import yaml

from gateway import refusals
from gateway.__main__ import DEFAULTS, address, render

SETTINGS = {**DEFAULTS, "ROTA_JWKS_FILE": "/keys/users.jwks.json"}


def test_everything_in_the_template_is_filled_in() -> None:
    text = render(SETTINGS)
    config = yaml.safe_load(text)
    assert set(config["static_resources"]) == {"listeners", "clusters"}
    assert "/keys/users.jwks.json" in text
    assert str(Path(refusals.__file__).with_name("rota.binpb")) in text


def test_a_missing_key_set_is_named() -> None:
    with pytest.raises(KeyError, match="ROTA_JWKS_FILE"):
        render(DEFAULTS)


@pytest.mark.parametrize("value", ["7001", "host:", "host:http", ""])
def test_an_address_is_a_host_and_a_port(value: str) -> None:
    with pytest.raises(ValueError, match="ROTA_CHAT_ADDRESS"):
        address("ROTA_CHAT_ADDRESS", {"ROTA_CHAT_ADDRESS": value})


def test_the_admin_interface_is_for_this_machine_only() -> None:
    admin = yaml.safe_load(render(SETTINGS))["admin"]["address"]["socket_address"]
    assert admin == {"address": "127.0.0.1", "port_value": 0}
