"""Development tokens: what they say, who believes them, and the zone they carry."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from devstack import dev_token, keys
from shared.errors import Unauthenticated
from shared.security.caller import ServiceIdentity, Verifier, read_key_set
from shared.security.secretbox import SecretBox


def verifier(made: keys.Keys) -> Verifier:
    return Verifier(
        users=read_key_set(made.users_jwks),
        services=read_key_set(made.services_jwks),
        service="automation_service",
    )


def test_a_service_believes_the_token_of_its_own_state_folder(tmp_path: Path) -> None:
    made = keys.ensure(tmp_path)
    token = dev_token.mint(made, workspaces={"dev": "owner"}, zone="Europe/Paris")
    caller = verifier(made).verify(f"Bearer {token}")
    assert caller.user == "dev"
    assert caller.workspaces == {"dev": "owner"}
    assert caller.zone == "Europe/Paris"


def test_a_token_of_another_state_folder_is_refused(tmp_path: Path) -> None:
    token = dev_token.mint(keys.ensure(tmp_path / "a"), workspaces={"dev": "owner"})
    with pytest.raises(Unauthenticated):
        verifier(keys.ensure(tmp_path / "b")).verify(f"Bearer {token}")


def test_a_service_key_is_known_under_the_name_of_the_service(tmp_path: Path) -> None:
    made = keys.ensure(tmp_path)
    pem = made.private("chat_service").read_text()
    identity = ServiceIdentity(service="chat_service", key_pem=pem, key_id="chat_service")
    token = identity.token(audience="automation_service", user="ada", workspace="dev")
    caller = verifier(made).verify(f"Bearer {token}")
    assert (caller.service, caller.user) == ("chat_service", "ada")


def test_keys_are_made_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    made = keys.ensure(tmp_path)
    before = {path.name: path.read_bytes() for path in made.folder.iterdir()}
    keys.ensure(tmp_path)
    assert {path.name: path.read_bytes() for path in made.folder.iterdir()} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700


def test_each_service_encrypts_with_a_key_of_its_own(tmp_path: Path) -> None:
    made = keys.ensure(tmp_path)
    chat, automation = (SecretBox.parse(made.secret(name)) for name in keys.SERVICES)
    assert chat is not None
    assert automation is not None
    assert chat.prefix != automation.prefix


def test_a_token_lives_for_thirty_days_unless_told_otherwise(tmp_path: Path) -> None:
    made = keys.ensure(tmp_path)
    for life in (timedelta(days=30), timedelta(minutes=5)):
        token = dev_token.mint(made, workspaces={}, life=life)
        claims = jwt.decode(token, options={"verify_signature": False})
        left = datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC)
        assert timedelta() <= life - left < timedelta(minutes=1)


class TestMachineZone:
    def test_tz_comes_first(self, tmp_path: Path) -> None:
        (tmp_path / "timezone").write_text("Asia/Tokyo\n")
        assert dev_token.machine_zone({"TZ": "Europe/Paris"}, tmp_path) == "Europe/Paris"
        assert dev_token.machine_zone({"TZ": ":Europe/Paris"}, tmp_path) == "Europe/Paris"

    @pytest.mark.parametrize("nonsense", ["CET-1CEST", "Europe", "../etc/passwd", "Nowhere/At"])
    def test_a_tz_that_names_no_zone_is_passed_over(self, tmp_path: Path, nonsense: str) -> None:
        (tmp_path / "timezone").write_text("Asia/Tokyo\n")
        assert dev_token.machine_zone({"TZ": nonsense}, tmp_path) == "Asia/Tokyo"

    def test_the_link_that_most_systems_have_is_followed(self, tmp_path: Path) -> None:
        zones = tmp_path / "usr/share/zoneinfo/America"
        zones.mkdir(parents=True)
        (zones / "Lima").write_text("")
        (tmp_path / "localtime").symlink_to(zones / "Lima")
        assert dev_token.machine_zone({}, tmp_path) == "America/Lima"

    def test_a_machine_that_says_nothing_is_in_utc(self, tmp_path: Path) -> None:
        assert dev_token.machine_zone({}, tmp_path) == "UTC"
