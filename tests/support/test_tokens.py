"""Tokens for tests are what the services' verifier accepts."""

from datetime import timedelta
from pathlib import Path

import pytest

from shared import caller, errors
from tests.support.tokens import Keys, new_key


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(folder=tmp_path)


@pytest.fixture
def verifier(keys: Keys) -> caller.Verifier:
    return caller.Verifier(
        users=caller.read_key_set(keys.jwks_file),
        services=caller.read_key_set(keys.service_jwks_file),
        service="automation_service",
    )


def test_a_persons_token_names_the_person_and_the_workspaces(
    keys: Keys, verifier: caller.Verifier
) -> None:
    token = keys.user_token("bob", {"w": "viewer"}, zoneinfo="Europe/Paris")
    who = verifier.verify(f"Bearer {token}")
    assert (who.user, dict(who.workspaces), who.zone) == ("bob", {"w": "viewer"}, "Europe/Paris")


def test_a_services_token_acts_for_a_person(keys: Keys, verifier: caller.Verifier) -> None:
    token = keys.service_token(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    who = verifier.verify(f"Bearer {token}")
    assert (who.service, who.user, dict(who.workspaces)) == ("chat_service", "ada", {"w": "editor"})


def test_a_services_token_for_another_service_is_refused(
    keys: Keys, verifier: caller.Verifier
) -> None:
    token = keys.service_token("chat_service", audience="chat_service")
    with pytest.raises(errors.Unauthenticated):
        verifier.verify(f"Bearer {token}")


def test_expired_and_forged_tokens_are_refused(keys: Keys, verifier: caller.Verifier) -> None:
    for token in (
        keys.user_token(expires_in=-timedelta(minutes=5)),
        keys.user_token(key=new_key()),
    ):
        with pytest.raises(errors.Unauthenticated):
            verifier.verify(f"Bearer {token}")
