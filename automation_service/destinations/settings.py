"""The settings of a destination: what is a secret, what is shown, what is kept in a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from automation_service.channels.settings import (
    ChannelSettings,
    SettingsRefused,
    read_settings,
    reveal,
)
from automation_service.persistence.enums import DestinationKind
from shared import errors
from shared.errors import FieldReason, FieldViolation

HINT: Final = 4
HINTED_FROM: Final = 16

# The fields of each kind that are secrets. The first is the one that is hinted.
SECRETS: Final[Mapping[DestinationKind, tuple[str, ...]]] = {
    DestinationKind.EMAIL: (),
    DestinationKind.SLACK: ("webhook_url",),
    DestinationKind.DISCORD: ("webhook_url",),
    DestinationKind.TEAMS: ("webhook_url",),
    DestinationKind.TELEGRAM: ("bot_token",),
    DestinationKind.MATRIX: ("access_token",),
    DestinationKind.NTFY: ("topic", "access_token"),
    DestinationKind.PUSHOVER: ("app_token", "user_key"),
    DestinationKind.WEBHOOK: ("secrets",),
}
# The field that says which server a secret goes to.
_SERVERS: Final[Mapping[DestinationKind, str]] = {
    DestinationKind.TELEGRAM: "server",
    DestinationKind.MATRIX: "homeserver",
    DestinationKind.NTFY: "server",
}
# Fields that the API has under another name.
_API_NAMES: Final = {"secrets": "signing_secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """Settings that were checked: what is shown apart from the secrets."""

    kind: DestinationKind
    host: str
    shown: Mapping[str, Any]
    secrets: Mapping[str, Any]

    @property
    def values(self) -> dict[str, Any]:
        return {**self.shown, **self.secrets}

    @property
    def hint(self) -> str:
        """The last characters of the first secret; empty for none, or one that is short."""
        names = SECRETS[self.kind]
        secret = self.secrets.get(names[0], "") if names else ""
        text = secret[0] if isinstance(secret, list) else secret
        return text[-HINT:] if len(text) >= HINTED_FROM else ""


def read_split(kind: DestinationKind, values: Mapping[str, Any], *, local: bool) -> SplitSettings:
    """Checks settings as the API gives them. Raises InvalidRequest with every fault."""
    settings = _read(kind, values, local=local)
    told = reveal(settings)
    return SplitSettings(
        kind=kind,
        host=settings.host,
        shown={name: value for name, value in told.items() if name not in SECRETS[kind]},
        secrets={name: told[name] for name in SECRETS[kind] if told[name]},
    )


def read_change(before: SplitSettings, values: Mapping[str, Any], *, local: bool) -> SplitSettings:
    """Like `read_split`, of settings whose secrets stay where they are left out.

    Raises InvalidRequest for a secret that would go to a server that it was not given for.
    """
    kept = {name: value for name, value in before.secrets.items() if name not in values}
    changed = read_split(before.kind, {**kept, **values}, local=local)
    server = _SERVERS.get(before.kind)
    if server and kept and changed.shown[server] != before.shown[server]:
        raise errors.InvalidRequest(
            [
                FieldViolation(
                    field=_path(before.kind, name),
                    description=f"has to be given again: {server} is another than before",
                    reason=FieldReason.REQUIRED,
                )
                for name in kept
            ]
        )
    return changed


def _read(kind: DestinationKind, values: Mapping[str, Any], *, local: bool) -> ChannelSettings:
    try:
        return read_settings(kind.value, values, local=local)
    except SettingsRefused as refused:
        raise errors.InvalidRequest(_violations(kind, refused)) from None


def _violations(kind: DestinationKind, refused: SettingsRefused) -> Sequence[FieldViolation]:
    def reason(description: str, *, is_not_public: bool) -> FieldReason:
        if is_not_public:
            return FieldReason.NOT_PUBLIC
        return FieldReason.REQUIRED if description == "is required" else FieldReason.INVALID

    return [
        FieldViolation(
            field=_path(kind, fault.field),
            description=fault.description,
            reason=reason(fault.description, is_not_public=fault.is_not_public),
        )
        for fault in refused.faults
    ]


def _path(kind: DestinationKind, field: str) -> str:
    first, _, _ = field.partition(".")
    if first in _API_NAMES:
        return f"destination.{kind.value}.{_API_NAMES[first]}"
    return f"destination.{kind.value}.{field}"
