"""Writes docs/configuration.md from the settings; `--check` refuses one that is not up to date."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from automation_service.settings import Settings as AutomationSettings
from chat_service.settings import Settings as ChatSettings
from devstack.settings import PORTS
from gateway.rendering import DEFAULTS

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = "docs/configuration.md"
Row = tuple[str, str, str]

# What is read without a settings class: variable, default, meaning.
DEVSTACK: Final[tuple[Row, ...]] = (
    ("ROTA_STATE_DIR", ".rota", "database, keys, logs and `ready.json`"),
    ("ROTA_GATEWAY_PORT", str(PORTS["ROTA_GATEWAY_PORT"]), "the gateway, on loopback"),
    ("ROTA_CHAT_PORT", str(PORTS["ROTA_CHAT_PORT"]), "chat_service, on loopback"),
    ("ROTA_AUTOMATION_PORT", str(PORTS["ROTA_AUTOMATION_PORT"]), "automation_service, on loopback"),
    ("DATABASE_URL", "", "a PostgreSQL of your own, 15 or later; empty: the embedded one"),
    ("OPENAI_API_KEY", "", "with OPENAI_BASE_URL empty too: the offline demo model"),
    ("OPENAI_BASE_URL", "", "OpenAI-compatible endpoint, with /v1"),
)
GATEWAY: Final[tuple[Row, ...]] = (
    ("ROTA_JWKS_FILE", "required", "JWKS that people's tokens are signed with"),
    ("ROTA_GATEWAY_LISTEN", DEFAULTS["ROTA_GATEWAY_LISTEN"], "host:port to serve on"),
    (
        "ROTA_CHAT_ADDRESS",
        DEFAULTS["ROTA_CHAT_ADDRESS"],
        "chat_service; several are separated by commas, and a name with several addresses is "
        "balanced over them",
    ),
    ("ROTA_AUTOMATION_ADDRESS", DEFAULTS["ROTA_AUTOMATION_ADDRESS"], "automation_service, alike"),
    (
        "ROTA_CORS_ORIGINS",
        DEFAULTS["ROTA_CORS_ORIGINS"],
        "regular expression of the pages that may call",
    ),
    (
        "ROTA_RATE_PER_SECOND",
        DEFAULTS["ROTA_RATE_PER_SECOND"],
        "calls that each person may make, for long; counted by each gateway for itself",
    ),
    ("ROTA_RATE_BURST", DEFAULTS["ROTA_RATE_BURST"], "calls that each person may make at once"),
    (
        "ROTA_CALL_SECONDS",
        DEFAULTS["ROTA_CALL_SECONDS"],
        "how long a call may take; streams are not calls",
    ),
    (
        "ROTA_IDLE_SECONDS",
        DEFAULTS["ROTA_IDLE_SECONDS"],
        "how long a stream may be silent; three heartbeats at least",
    ),
    ("ROTA_GATEWAY_TLS_CERT_FILE", "", "PEM, the certificate that callers see; empty: no TLS"),
    ("ROTA_GATEWAY_TLS_KEY_FILE", "", "PEM, its key"),
    ("ROTA_TLS_CA_FILE", "", "PEM, who signs the services' certificates; empty: no TLS to them"),
    ("ROTA_TLS_CERT_FILE", "", "PEM, the certificate that services see"),
    ("ROTA_TLS_KEY_FILE", "", "PEM, its key"),
    (
        "ROTA_GATEWAY_ADMIN_PORT",
        DEFAULTS["ROTA_GATEWAY_ADMIN_PORT"],
        "Envoy's own interface, on loopback; 0 picks a port",
    ),
    ("ROTA_GATEWAY_WORKERS", "2", "threads"),
    ("ROTA_GATEWAY_CONFIG", "", "where the rendered configuration goes; empty: a temporary file"),
    ("ENVOY", "", "the Envoy to run; empty: the one beside this Python"),
)
CLIENT: Final[tuple[Row, ...]] = (
    ("ROTA_GATEWAY", "", "host:port or URL; empty: what `ready.json` says"),
    ("ROTA_TOKEN", "", "bearer token; empty: what `ready.json` says"),
    ("ROTA_WORKSPACE", "", "`workspaces/{w}`; empty: what `ready.json` says"),
)
INTRODUCTION: Final = """\
# Configuration

Made by `python tools/configuration.py` from the settings themselves; a test refuses a page that is
not up to date. Everything is an environment variable. A service refuses to start without the
required ones, and says which; `python -m chat_service --help` lists them too. What is secret is
never logged.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    page = ROOT / PAGE
    if not parser.parse_args().check:
        page.write_text(rendered())
        return 0
    if page.exists() and page.read_text() == rendered():
        return 0
    print(f"{PAGE} is not up to date; run: python tools/configuration.py", file=sys.stderr)
    return 1


def rendered() -> str:
    parts = [
        INTRODUCTION,
        _section("chat_service", settings(ChatSettings)),
        _section("automation_service", settings(AutomationSettings)),
        _section("The gateway (`python -m gateway`)", GATEWAY),
        _section("`make run`", DEVSTACK),
        _section("The `rota` command", CLIENT),
    ]
    return "\n".join(parts)


def settings(kind: type[BaseSettings]) -> Iterator[Row]:
    prefix = kind.model_config.get("env_prefix", "")
    for name, field in kind.model_fields.items():
        variable = field.validation_alias or field.alias or f"{prefix}{name}".upper()
        default = "required" if field.is_required() else _shown(field.default)
        yield str(variable), default, field.description or ""


def _section(title: str, rows: Iterable[Row]) -> str:
    lines = [f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
    for variable, default, meaning in rows:
        value = default if default in ("", "required") else f"`{_cell(default)}`"
        lines.append(f"| `{variable}` | {value} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    match value:
        case None | SecretStr():
            return ""
        case bool():
            return str(value).lower()
        case frozenset():
            return ",".join(sorted(value))
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
