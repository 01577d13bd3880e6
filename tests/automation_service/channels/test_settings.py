"""The settings of destinations: what is refused, where, and that no secret is shown."""

from typing import Any

import pytest

from automation_service.channels.settings import (
    _FORMS,
    SETTINGS,
    SettingsRefused,
    read_settings,
    reveal,
)
from tests.support.servers.receivers import BOT_TOKEN, SECRET

PUBLIC: dict[str, dict[str, Any]] = {
    "email": {"address": "anna@example.org"},
    "slack": {"webhook_url": "https://hooks.slack.com/services/T0/B0/x"},
    "discord": {"webhook_url": "https://discord.com/api/webhooks/1/x"},
    "teams": {"webhook_url": "https://prod-1.westeurope.logic.azure.com:443/workflows/a?sig=x"},
    "telegram": {"bot_token": BOT_TOKEN, "chat_id": "@channel"},
    "matrix": {
        "homeserver": "https://matrix.example.org",
        "room_id": "!room:example.org",
        "access_token": "syt_x",
    },
    "ntfy": {"topic": "my_topic"},
    "pushover": {"app_token": "a" * 30, "user_key": "u" * 30},
    "webhook": {"uri": "https://example.org/hook", "secrets": [SECRET]},
}
HOSTS = {
    "email": "anna@example.org",
    "slack": "hooks.slack.com",
    "discord": "discord.com",
    "teams": "prod-1.westeurope.logic.azure.com",
    "telegram": "api.telegram.org",
    "matrix": "matrix.example.org",
    "ntfy": "ntfy.sh",
    "pushover": "api.pushover.net",
    "webhook": "example.org",
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_of_the_open_internet_are_kept_with_their_host(kind: str) -> None:
    settings = read_settings(kind, PUBLIC[kind], local=False)
    assert settings.host == HOSTS[kind]
    assert read_settings(kind, reveal(settings), local=False) == settings


@pytest.mark.parametrize("kind", SETTINGS)
def test_no_secret_is_shown(kind: str) -> None:
    settings = read_settings(kind, PUBLIC[kind], local=False)
    shown = f"{settings!r} {settings} {settings.model_dump_json()}"
    for secret in (BOT_TOKEN, SECRET, "services/T0", "syt_x", "my_topic", "a" * 30, "sig=x"):
        assert secret not in shown


FAULTS = [
    ("slack", {"webhook_url": "https://evil.example/services/T/B/x"}, "webhook_url"),
    ("slack", {"webhook_url": "http://hooks.slack.com/services/T/B/x"}, "webhook_url"),
    ("slack", {"webhook_url": "https://hooks.slack.com@evil.example/"}, "webhook_url"),
    ("slack", {"webhook_url": "https://hooks.slack.com.evil.example/"}, "webhook_url"),
    ("slack", {}, "webhook_url"),
    ("slack", {"webhook_url": "https://hooks.slack.com/x"}, "webhook_url"),
    ("slack", {"webhook_url": "https://hooks.slack.com/triggers/T/1/x"}, "webhook_url"),
    ("discord", {"webhook_url": "https://discord.com/channels/1/2"}, "webhook_url"),
    ("discord", {"webhook_url": "https://discord.com/api/webhooks/1/x/slack"}, "webhook_url"),
    ("teams", {"webhook_url": "https://prod-1.westeurope.logic.azure.com/"}, "webhook_url"),
    ("discord", {"webhook_url": "https://discord.com.evil.example/"}, "webhook_url"),
    ("teams", {"webhook_url": "https://evillogic.azure.com/"}, "webhook_url"),
    ("teams", {"webhook_url": "https://a.webhook.office.com/"}, "webhook_url"),
    ("telegram", {"bot_token": "1:a/../../x?"}, "bot_token"),
    ("telegram", {"chat_id": "12; drop"}, "chat_id"),
    ("telegram", {"server": "https://127.0.0.1"}, "server"),
    ("matrix", {"room_id": "#alias:example.org"}, "room_id"),
    ("matrix", {"homeserver": "https://localhost"}, "homeserver"),
    ("matrix", {"access_token": "a\r\nx: y"}, "access_token"),
    ("ntfy", {"topic": "../admin"}, "topic"),
    ("ntfy", {"access_token": "a b"}, "access_token"),
    ("pushover", {"user_key": "short"}, "user_key"),
    ("pushover", {"server": "https://example.org"}, "server"),
    ("webhook", {"secrets": ["plain"]}, "secrets"),
    *(
        ("webhook", {"secrets": [f"whsec_{'a' * count}"]}, "secrets")
        for count in (24, 25, 26, 27, 28, 33, 34, 35, 88)
    ),
    ("webhook", {"secrets": [SECRET, f"whsec_{'é' * 32}"]}, "secrets"),
    ("webhook", {"secrets": [f"whsec_{'a' * 16}-{'a' * 16}"]}, "secrets"),
    ("webhook", {"uri": "https://10.0.0.1/"}, "uri"),
    ("webhook", {"uri": "https://a:b@example.org/"}, "uri"),
    ("telegram", {"chat_id": "１２３"}, "chat_id"),
    ("telegram", {"chat_id": "@cafés"}, "chat_id"),
    ("telegram", {"bot_token": BOT_TOKEN.replace("1", "１")}, "bot_token"),
    ("discord", {"thread_id": "１２３"}, "thread_id"),
    ("matrix", {"access_token": "syt_x\n"}, "access_token"),
    ("email", {"address": "a@b\r\nBcc: c@d"}, "address"),
    ("email", {"address": "a@b, c@d"}, "address"),
    ("email", {"address": "<a@b>"}, "address"),
    ("email", {"address": ".a@example.org"}, "address"),
    ("email", {"address": "\u00e4@example.org"}, "address"),
    ("email", {"server": {"host": "a.example"}}, "server"),
    ("slack", {"unknown": 1}, "unknown"),
]


@pytest.mark.parametrize(("kind", "changed", "field"), FAULTS)
def test_a_fault_names_its_field_and_no_value(
    kind: str, changed: dict[str, Any], field: str
) -> None:
    values = {**PUBLIC[kind], **changed} if changed else {}
    with pytest.raises(SettingsRefused) as caught:
        read_settings(kind, values, local=False)
    assert [fault.field for fault in caught.value.faults] == [field]
    [fault] = caught.value.faults
    assert fault.description
    for value in changed.values():
        assert str(value) not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f000001", "2130706433", "127.1", "0", "0x7f.1", "10.1", "127。1"]
)
def test_inner_addresses_are_named_as_such(host: str) -> None:
    with pytest.raises(SettingsRefused) as caught:
        read_settings("webhook", PUBLIC["webhook"] | {"uri": f"https://{host}/"}, local=False)
    assert caught.value.faults[0].is_not_public


def test_what_is_local_may_be_anywhere() -> None:
    values = {"webhook_url": "http://127.0.0.1:8080/services/T/B/x"}
    assert read_settings("slack", values, local=True).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("email", {"address": "ada"}, "must be an e-mail address, such as ada@example.org"),
        ("telegram", {"chat_id": "x"}, "must be the number of a chat, such as -1001234567890, or"),
        ("matrix", {"room_id": "#a:b"}, "must be the id of a room, such as !abc:example.org"),
        ("discord", {"thread_id": "x"}, "must be the number of a thread"),
        ("pushover", {"device": "a b"}, "must be the name of a device"),
        ("pushover", {"user_key": "x"}, "must have 30 letters and digits"),
        ("discord", {"webhook_url": "https://discord.com/channels/1/2"}, "must be the address of"),
    ],
)
def test_a_fault_says_the_form(kind: str, values: dict[str, Any], said: str) -> None:
    for local in (False, True):
        with pytest.raises(SettingsRefused) as refused:
            read_settings(kind, PUBLIC[kind] | values, local=local)
        [fault] = refused.value.faults
        assert fault.description.startswith(said)


def test_every_pattern_of_a_channel_has_its_words() -> None:
    with_pattern = {
        name
        for settings in SETTINGS.values()
        for name, info in settings.model_fields.items()
        if any(getattr(rule, "pattern", None) for rule in info.metadata)
    }
    assert with_pattern == set(_FORMS)
