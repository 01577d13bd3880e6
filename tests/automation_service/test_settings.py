"""Settings of automation_service that depend on one another."""

import pytest
from pydantic import ValidationError

from automation_service.settings import AutomationSettings
from shared.settings import explain


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        ({}, "ROTA_SMTP_SENDER is missing beside ROTA_SMTP_HOST"),
        ({"smtp_sender": "nobody"}, "ROTA_SMTP_SENDER is not valid"),
        (
            {"smtp_sender": "a@b.example", "smtp_security": "none", "smtp_username": "a"},
            "ROTA_SMTP_USERNAME needs ROTA_SMTP_SECURITY to be starttls or tls",
        ),
    ],
)
def test_a_mail_server_that_is_not_usable_says_which_setting_is_wrong(
    mail: dict[str, str], said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        AutomationSettings.model_validate(
            {
                "database_url": "postgresql://localhost/rota",
                "listen": "127.0.0.1:0",
                "peer_address": "127.0.0.1:1",
                "jwks_file": "a",
                "service_jwks_file": "b",
                "service_key_file": "c",
                "smtp_host": "mail.example",
                **mail,
            }
        )
    assert explain(AutomationSettings, caught.value).splitlines() == [
        "the settings are not usable:",
        f"  {said}",
    ]
