"""The settings of a destination, for each kind of channel."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.security.egress import names_inner

MAX_ADDRESS: Final = 2_000
MAX_SECRET: Final = 1_000
# A secret of signatures is this and the base64 of so many bytes.
SECRET_PREFIX: Final = "whsec_"
SIGNING_BYTES: Final = range(24, 65)

# A mailbox that every server takes: ASCII, no quotes, no comments.
_MAILBOX: Final = (
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
)
_HOST: Final = r"^[A-Za-z0-9._-]{1,253}$|^[0-9A-Fa-f:.]{2,45}$"
_PRINTED: Final = r"^[\x21-\x7e]+$"

Address = Annotated[str, Field(min_length=1, max_length=MAX_ADDRESS)]
Mailbox = Annotated[str, Field(max_length=254, pattern=_MAILBOX)]
SecretAddress = Annotated[SecretStr, Field(min_length=1, max_length=MAX_ADDRESS)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=MAX_SECRET)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFault:
    """`field` is a path inside the settings, such as `secrets.0`."""

    field: str
    description: str
    is_not_public: bool = False


class SettingsRefused(ValueError):
    """The settings can't be used. No fault shows a value."""

    def __init__(self, faults: Sequence[SettingsFault]) -> None:
        super().__init__("; ".join(f"{fault.field} {fault.description}" for fault in faults))
        self.faults = tuple(faults)


class ChannelSettings(BaseModel):
    """`hosts` are those that the service has, for a kind with a service of its own.

    An address there has a path of the form of `path`, which `address_form` tells people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    hosts: ClassVar[tuple[str, ...]] = ()
    path: ClassVar[str] = ".*"
    address_form: ClassVar[str] = ""

    @property
    def host(self) -> str:
        """Says where messages go, for people: a host in ASCII, or a mailbox."""
        for _, uri in self.addresses():
            return _url_host(uri)
        return ""

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Yields the fields that are addresses of HTTP, with their values."""
        yield from ()

    def faults(self, *, local: bool) -> Iterator[SettingsFault]:
        """Yields what is wrong beyond the form; `local` allows http and any host."""
        for field, uri in self.addresses():
            if fault := find_address_fault(field, uri, self.hosts, local=local):
                yield fault
            elif not self._has_path(uri):
                yield SettingsFault(field=field, description=f"must be {self.address_form}")
        for field, secret in reveal(self).items():
            if field in _HEADER_FIELDS and secret and not re.fullmatch(_PRINTED, str(secret)):
                yield SettingsFault(field=field, description="must hold no blanks")

    def _has_path(self, uri: str) -> bool:
        """Whether an address has the form of the service's own, unless it is elsewhere."""
        url = httpx2.URL(uri)
        host = url.raw_host.decode("ascii").lower()
        is_elsewhere = not any(_is_of(host, pattern) for pattern in self.hosts)
        return is_elsewhere or re.fullmatch(self.path, url.path) is not None


class SmtpServer(BaseModel):
    """The operator's server, which takes mail.

    It is verified by its certificate, unless `security` is `none`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(pattern=_HOST)
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = Field("", max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$")
    password: SecretStr = Field(SecretStr(""), max_length=MAX_SECRET)
    sender: Mailbox


class EmailSettings(ChannelSettings):
    """The operator's server sends the mail."""

    address: Mailbox

    @property
    def host(self) -> str:
        return self.address


class SlackSettings(ChannelSettings):
    hosts = ("hooks.slack.com", "hooks.slack-gov.com")
    path = r"/services/.+"
    address_form = "the address of an incoming webhook: https://hooks.slack.com/services/…"

    webhook_url: SecretAddress

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "webhook_url", self.webhook_url.get_secret_value()


class DiscordSettings(ChannelSettings):
    hosts = ("discord.com", "ptb.discord.com", "canary.discord.com", "discordapp.com")
    path = r"/api/(v[0-9]+/)?webhooks/[0-9]+/[^/]+/?"
    address_form = "the address of a channel's webhook: https://discord.com/api/webhooks/…"

    webhook_url: SecretAddress
    thread_id: str = Field("", pattern=r"^[0-9]{0,20}$")

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "webhook_url", self.webhook_url.get_secret_value()


class TeamsSettings(ChannelSettings):
    """The address is that of a workflow which begins with a webhook request."""

    hosts = ("*.logic.azure.com", "*.api.powerplatform.com", "*.logic.azure.us")
    path = r".*/workflows/.+"
    address_form = "the address of a workflow: https://….logic.azure.com/workflows/…"

    webhook_url: SecretAddress

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "webhook_url", self.webhook_url.get_secret_value()


class TelegramSettings(ChannelSettings):
    """`server` is another one than Telegram's where somebody runs a Bot API server."""

    server: Address = "https://api.telegram.org"
    bot_token: SecretStr = Field(max_length=100)
    chat_id: str = Field(pattern=r"^(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,63})$")
    message_thread_id: int = Field(0, ge=0, le=2**53)

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "server", self.server

    def faults(self, *, local: bool) -> Iterator[SettingsFault]:
        yield from super().faults(local=local)
        if not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,70}", self.bot_token.get_secret_value()):
            yield SettingsFault(
                field="bot_token", description="must be a bot's token, such as 123456789:AA…"
            )


class MatrixSettings(ChannelSettings):
    homeserver: Address
    room_id: str = Field(max_length=255, pattern=r"^![\x21-\x7e]+$")
    access_token: Secret

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "homeserver", self.homeserver


class NtfySettings(ChannelSettings):
    """Whoever knows a topic of a public server reads it, so it is a secret."""

    server: Address = "https://ntfy.sh"
    topic: SecretStr = Field(max_length=64)
    access_token: SecretStr = Field(SecretStr(""), max_length=MAX_SECRET)

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "server", self.server

    def faults(self, *, local: bool) -> Iterator[SettingsFault]:
        yield from super().faults(local=local)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.topic.get_secret_value()):
            yield SettingsFault(
                field="topic",
                description="must have 1 to 64 letters, digits, hyphens and underscores",
            )


class PushoverSettings(ChannelSettings):
    """`server` is another one than Pushover's only where local addresses are allowed."""

    hosts = ("api.pushover.net",)

    server: Address = "https://api.pushover.net"
    app_token: SecretStr = Field(max_length=100)
    user_key: SecretStr = Field(max_length=100)
    device: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,25}$")

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "server", self.server

    def faults(self, *, local: bool) -> Iterator[SettingsFault]:
        yield from super().faults(local=local)
        for field in ("app_token", "user_key"):
            if not re.fullmatch(r"[A-Za-z0-9]{30}", getattr(self, field).get_secret_value()):
                yield SettingsFault(field=field, description="must have 30 letters and digits")


class WebhookSettings(ChannelSettings):
    """Each secret signs: while one is replaced there are two.

    `include_output` sends the run's output as JSON beside the body.
    """

    uri: Address
    secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=2)
    include_output: bool = False

    def addresses(self) -> Iterator[tuple[str, str]]:
        yield "uri", self.uri

    def faults(self, *, local: bool) -> Iterator[SettingsFault]:
        yield from super().faults(local=local)
        if not all(_is_signing_secret(secret.get_secret_value()) for secret in self.secrets):
            yield SettingsFault(
                field="secrets", description="must be whsec_ and the base64 of 24 to 64 bytes"
            )


SETTINGS: Final[Mapping[str, type[ChannelSettings]]] = {
    "email": EmailSettings,
    "slack": SlackSettings,
    "discord": DiscordSettings,
    "teams": TeamsSettings,
    "telegram": TelegramSettings,
    "matrix": MatrixSettings,
    "ntfy": NtfySettings,
    "pushover": PushoverSettings,
    "webhook": WebhookSettings,
}
# What a field has to be, where a pattern says so.
_FORMS: Final = {
    "address": "an e-mail address, such as ada@example.org",
    "thread_id": "the number of a thread, such as 123456789012345679",
    "chat_id": "the number of a chat, such as -1001234567890, or @ and the name of a channel",
    "room_id": "the id of a room, such as !abc:example.org",
    "device": "the name of a device: at most 25 letters, digits, hyphens and underscores",
}
_HEADER_FIELDS: Final = frozenset({"access_token"})


def read_settings(kind: str, values: Mapping[str, Any], *, local: bool) -> ChannelSettings:
    """Returns the settings of a destination. Raises SettingsRefused with every fault."""
    try:
        settings = SETTINGS[kind].model_validate(values)
    except ValidationError as exc:
        raise SettingsRefused([_fault(error) for error in exc.errors(include_url=False)]) from None
    if faults := list(settings.faults(local=local)):
        raise SettingsRefused(faults)
    return settings


def find_address_fault(
    field: str, uri: str, hosts: Sequence[str] = (), *, local: bool
) -> SettingsFault | None:
    """Finds why nothing may be sent to an address. Without `hosts` any public one may have it.

    `local` allows http and any host.
    """
    try:
        url = httpx2.URL(uri)
        host, port = url.raw_host.decode("ascii"), url.port
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        return SettingsFault(field=field, description="must be a URL")
    if any(character <= " " or character == "\x7f" for character in uri):
        return SettingsFault(field=field, description="must not hold blanks")
    schemes = ("https", "http") if local else ("https",)
    if url.scheme not in schemes or not host or port == 0:
        description = f"must be an {' or '.join(schemes)} address"
        return SettingsFault(field=field, description=description)
    if url.userinfo or url.fragment:
        return SettingsFault(field=field, description="must not hold a user or a fragment")
    if local:
        return None
    if hosts and not any(_is_of(host.lower(), pattern) for pattern in hosts):
        return SettingsFault(field=field, description=f"must be on {' or '.join(hosts)}")
    return _not_public(field) if names_inner(host) else None


def reveal(settings: ChannelSettings) -> dict[str, Any]:
    """Returns the values with their secrets, as `read_settings` takes them: to be sealed."""
    return {name: _reveal(getattr(settings, name)) for name in type(settings).model_fields}


def _reveal(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return [_reveal(part) for part in value]
        case _:
            return value


def _fault(error: Any) -> SettingsFault:
    field = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            return SettingsFault(field=field, description="is required")
        case "string_pattern_mismatch":
            return SettingsFault(field=field, description=f"must be {_FORMS.get(field, 'another')}")
        case _:
            text = str(error["msg"])
            return SettingsFault(field=field, description=text[:1].lower() + text[1:])


def _is_of(host: str, pattern: str) -> bool:
    """Whether a host is the pattern's; `*.` stands for one or more labels."""
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _is_signing_secret(secret: str) -> bool:
    """Whether a secret is `whsec_` and base64, with its padding, of as many bytes as may sign."""
    if not secret.startswith(SECRET_PREFIX) or len(secret) > MAX_SECRET:
        return False
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(key) in SIGNING_BYTES


def _not_public(field: str) -> SettingsFault:
    return SettingsFault(field=field, description="is not on the open internet", is_not_public=True)


def _url_host(uri: str) -> str:
    try:
        return httpx2.URL(uri).raw_host.decode("ascii")
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        return ""
