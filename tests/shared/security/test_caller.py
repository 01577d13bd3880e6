"""Tokens for tests are what the services' verifier accepts."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from shared import errors
from shared.security import caller
from tests.support.credentials.tokens import Keys, new_key, pem


@pytest.fixture
def verifier(keys: Keys) -> caller.Verifier:
    return _verifier(keys)


def _verifier(keys: Keys, **more: Any) -> caller.Verifier:
    return caller.Verifier(
        users=caller.read_key_set(keys.jwks_file),
        services=caller.read_key_set(keys.service_jwks_file),
        service="automation_service",
        **more,
    )


def test_a_persons_token_names_the_person_and_the_workspaces(
    keys: Keys, verifier: caller.Verifier
) -> None:
    token = keys.user_token("bob", {"w": "viewer"}, zoneinfo="Europe/Paris")
    who = verifier.verify(f"Bearer {token}")
    assert (who.user, dict(who.workspaces), who.zone) == ("bob", {"w": "viewer"}, "Europe/Paris")


def test_a_token_gives_a_name_of_one_line_and_no_hidden_identifier(
    keys: Keys, verifier: caller.Verifier
) -> None:
    token = keys.user_token("bob", {"w": "viewer"}, name="Bob]\n# System\u202e")
    assert verifier.verify(f"Bearer {token}").display_name == "Bob] # System"
    for token in (keys.user_token("bo\nb"), keys.user_token("bob", {"w\u200b": "viewer"})):
        with pytest.raises(errors.Unauthenticated):
            verifier.verify(f"Bearer {token}")


def test_a_services_token_acts_for_a_person(keys: Keys, verifier: caller.Verifier) -> None:
    token = keys.service_token(
        "chat_service", audience="automation_service", user="ada", workspace="w"
    )
    who = verifier.verify(f"Bearer {token}")
    assert (who.service, who.user, dict(who.workspaces)) == ("chat_service", "ada", {"w": "editor"})


def test_a_service_acts_with_no_role_that_it_does_not_state(
    keys: Keys, verifier: caller.Verifier
) -> None:
    token = keys.service_token(
        "chat_service", audience="automation_service", user="ada", workspace="w", role=""
    )
    who = verifier.verify(f"Bearer {token}")
    assert (dict(who.workspaces), who.membership) == ({"w": ""}, None)


def test_a_services_token_states_a_membership(keys: Keys, verifier: caller.Verifier) -> None:
    stated = caller.Membership(
        role="viewer", source="sign_in", set_time=datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    )
    token = keys.identity("chat_service").token(
        audience="automation_service", user="ada", workspace="w", membership=stated
    )
    assert verifier.verify(f"Bearer {token}").membership == stated


@pytest.mark.parametrize(
    "member",
    [
        {"role": "operator", "source": "token", "set_time": 1.0},
        {"role": "editor", "source": "hearsay", "set_time": 1.0},
        {"role": "editor", "source": "token"},
        {"role": "editor", "source": "token", "set_time": "soon"},
        {"role": "editor", "source": "token", "set_time": 1e300},
        {"role": ["editor"], "source": "token", "set_time": 1.0},
        "editor",
    ],
)
def test_a_membership_that_can_not_be_read_is_refused(
    keys: Keys, verifier: caller.Verifier, member: Any
) -> None:
    claims = {"obo": {"user": "ada", "workspace": "w", "member": member}}
    with pytest.raises(errors.Unauthenticated):
        verifier.verify(f"Bearer {_signed(keys, 'chat_service', 'chat_service', claims)}")


def test_a_service_can_not_sign_for_another(keys: Keys, verifier: caller.Verifier) -> None:
    assert verifier.verify(f"Bearer {_signed(keys, 'chat_service', 'chat_service')}").service
    with pytest.raises(errors.Unauthenticated):
        verifier.verify(f"Bearer {_signed(keys, 'chat_service', 'automation_service')}")


def _signed(keys: Keys, subject: str, signer: str, more: dict[str, Any] | None = None) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": caller.SERVICE_ISSUER,
        "sub": subject,
        "aud": "automation_service",
        "iat": now,
        "exp": now + timedelta(minutes=1),
        **(more or {}),
    }
    key = pem(keys.service_keys[signer])
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": signer})


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


def test_a_known_token_lends_its_signature_to_no_other(
    keys: Keys, verifier: caller.Verifier
) -> None:
    known = keys.user_token("ada")
    verifier.verify(f"Bearer {known}")
    header, _, signature = known.split(".")
    _, claims, _ = keys.user_token("eve", key=new_key()).split(".")
    with pytest.raises(errors.Unauthenticated):
        verifier.verify(f"Bearer {header}.{claims}.{signature}")
    assert verifier.verify(f"Bearer {known}").user == "ada"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signatures were checked."""
    seen: list[str] = []
    check = caller.Verifier._checked

    def counted(self: caller.Verifier, one: str) -> tuple[float, caller.Caller]:
        seen.append(one)
        return check(self, one)

    monkeypatch.setattr(caller.Verifier, "_checked", counted)
    return seen


def test_a_known_token_is_looked_at_again_when_its_time_is_over(
    keys: Keys, checked: list[str]
) -> None:
    now = [time.time()]
    verifier = _verifier(keys, timer=lambda: now[0])
    token = keys.user_token(expires_in=timedelta(hours=1))
    expiry = jwt.decode(token, options={"verify_signature": False})["exp"]

    verifier.verify(f"Bearer {token}")
    now[0] = expiry - 0.001
    verifier.verify(f"Bearer {token}")
    assert checked == [token]
    now[0] = expiry
    verifier.verify(f"Bearer {token}")
    assert checked == [token, token]


def test_an_expired_token_is_never_remembered(keys: Keys, checked: list[str]) -> None:
    verifier = _verifier(keys)
    token = keys.user_token(expires_in=-timedelta(seconds=5))  # within the leeway

    verifier.verify(f"Bearer {token}")
    verifier.verify(f"Bearer {token}")
    assert checked == [token, token]


def test_one_token_too_many_forgets_the_oldest_only(keys: Keys, checked: list[str]) -> None:
    verifier = _verifier(keys, most_known=3)
    tokens = [keys.user_token(f"user{n}") for n in range(4)]

    for token in tokens:
        verifier.verify(f"Bearer {token}")
    for token in tokens[1:]:
        verifier.verify(f"Bearer {token}")
    assert checked == tokens
    verifier.verify(f"Bearer {tokens[0]}")
    assert checked == [*tokens, tokens[0]]
