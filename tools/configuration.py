"""Writes docs/configuration.md from the settings; `--check` fails if it is out of date."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from automation_service.settings import AutomationSettings
from chat_service.settings import ChatSettings
from devstack.settings import PORTS
from gateway.envoy_config import DEFAULTS
from shared.settings import variable_of

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = "docs/configuration.md"
Row = tuple[str, str, str]

# What is read without a settings class: variable, default, meaning.
DEVSTACK: Final[tuple[Row, ...]] = (
    ("ROTA_STATE_DIR", ".rota", "folder of database, keys, logs and `ready.json`"),
    ("ROTA_GATEWAY_PORT", str(PORTS["ROTA_GATEWAY_PORT"]), "port of the gateway, on loopback"),
    ("ROTA_CHAT_PORT", str(PORTS["ROTA_CHAT_PORT"]), "port of chat_service, on loopback"),
    (
        "ROTA_AUTOMATION_PORT",
        str(PORTS["ROTA_AUTOMATION_PORT"]),
        "port of automation_service, on loopback; the default is the next after those of "
        "chat_service",
    ),
    (
        "ROTA_PROCESSES",
        "1",
        "processes of each service, whose ports follow one another; the gateway gets all of them",
    ),
    ("DATABASE_URL", "", "a PostgreSQL of your own, 15 or later; empty: the embedded one"),
    ("OPENAI_API_KEY", "", "API key; if OPENAI_BASE_URL is empty too: the offline demo model"),
    ("OPENAI_BASE_URL", "", "OpenAI-compatible endpoint, with /v1"),
    ("ROTA_PAGE_URL", "the gateway's", "where people open the page: messages link to it"),
)
GATEWAY: Final[tuple[Row, ...]] = (
    ("ROTA_JWKS_FILE", "required", "JWKS that verifies people's tokens"),
    ("ROTA_GATEWAY_LISTEN", DEFAULTS["ROTA_GATEWAY_LISTEN"], "host:port to serve on"),
    (
        "ROTA_HTTP_ADDRESS",
        DEFAULTS["ROTA_HTTP_ADDRESS"],
        "addresses of the HTTP door, comma-separated, of all its processes",
    ),
    (
        "ROTA_CHAT_ADDRESS",
        DEFAULTS["ROTA_CHAT_ADDRESS"],
        "addresses of chat_service, comma-separated, of all its processes; calls are balanced over "
        "all addresses of a name",
    ),
    (
        "ROTA_AUTOMATION_ADDRESS",
        DEFAULTS["ROTA_AUTOMATION_ADDRESS"],
        "addresses of automation_service, likewise",
    ),
    (
        "ROTA_CORS_ORIGINS",
        DEFAULTS["ROTA_CORS_ORIGINS"],
        "regular expression of the origins of pages that may call",
    ),
    (
        "ROTA_RATE_PER_SECOND",
        DEFAULTS["ROTA_RATE_PER_SECOND"],
        "calls a second that each person may make; each gateway counts separately",
    ),
    ("ROTA_RATE_BURST", DEFAULTS["ROTA_RATE_BURST"], "calls that each person may make at once"),
    (
        "ROTA_CALL_SECONDS",
        DEFAULTS["ROTA_CALL_SECONDS"],
        "seconds that a body and a call may take; answers of streams have no such limit",
    ),
    (
        "ROTA_IDLE_SECONDS",
        DEFAULTS["ROTA_IDLE_SECONDS"],
        "seconds that a stream may be silent; at least three heartbeats",
    ),
    (
        "ROTA_SILENT_SECONDS",
        DEFAULTS["ROTA_SILENT_SECONDS"],
        "seconds in which a connection must say something, end its handshake, and, once it "
        "begins a request, send its headers",
    ),
    (
        "ROTA_UNUSED_SECONDS",
        DEFAULTS["ROTA_UNUSED_SECONDS"],
        "seconds that a connection without a request stays open",
    ),
    ("ROTA_GATEWAY_TLS_CERT_FILE", "", "PEM, the certificate for callers; empty: no TLS"),
    ("ROTA_GATEWAY_TLS_KEY_FILE", "", "PEM, the key of ROTA_GATEWAY_TLS_CERT_FILE"),
    ("ROTA_TLS_CA_FILE", "", "PEM, the CA of the services' certificates; empty: no TLS to them"),
    ("ROTA_TLS_CERT_FILE", "", "PEM, the certificate for the services"),
    ("ROTA_TLS_KEY_FILE", "", "PEM, the key of ROTA_TLS_CERT_FILE"),
    (
        "ROTA_GATEWAY_ADMIN_PORT",
        DEFAULTS["ROTA_GATEWAY_ADMIN_PORT"],
        "port of Envoy's admin interface, on loopback; 0 picks one",
    ),
    ("ROTA_GATEWAY_WORKERS", "2", "worker threads of Envoy"),
    ("ROTA_GATEWAY_CONFIG", "", "file for the rendered configuration; empty: a temporary one"),
    ("ENVOY", "", "path of Envoy; empty: the one beside this Python"),
)
HTTP: Final[tuple[Row, ...]] = (
    (
        "ROTA_HTTP_LISTEN",
        DEFAULTS["ROTA_HTTP_LISTEN"],
        "host:port to serve on, for the gateway alone; on another host than this one with TLS, "
        "if there is a certificate",
    ),
    *(
        row
        for row in GATEWAY
        if row[0] in ("ROTA_CHAT_ADDRESS", "ROTA_AUTOMATION_ADDRESS", "ROTA_CALL_SECONDS")
        or row[0].startswith("ROTA_TLS_")
    ),
    (
        "ROTA_TICKET_KEYS",
        "",
        "keys that seal tickets of streams: 32 bytes each, base64, comma-separated; the first "
        "seals, all open; the same for all doors of a gateway; empty: one made at the start",
    ),
    (
        "ROTA_TICKET_SECONDS",
        DEFAULTS["ROTA_TICKET_SECONDS"],
        "seconds in which a ticket opens its stream, 3600 at most",
    ),
    (
        "ROTA_DRAIN_SECONDS",
        DEFAULTS["ROTA_DRAIN_SECONDS"],
        "seconds between an unhealthy answer and closing the port, in which the gateway notices",
    ),
)
CLIENT: Final[tuple[Row, ...]] = (
    ("ROTA_GATEWAY", "", "host:port or URL; empty: what `ready.json` says"),
    ("ROTA_TOKEN", "", "bearer token; empty: what `ready.json` says"),
    ("ROTA_WORKSPACE", "", "`workspaces/{w}`; empty: what `ready.json` says"),
)
INTRODUCTION: Final = """\
# Configuration

`python tools/configuration.py` generates this page from the settings; a test refuses a page that is
not up to date. All settings are environment variables. A service does not start without the
required ones, and names them; `python -m chat_service --help` lists them too. Secrets are never
logged.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    page = ROOT / PAGE
    if not parser.parse_args().check:
        page.write_text(render_document())
        return 0
    if page.exists() and page.read_text() == render_document():
        return 0
    print(f"{PAGE} is not up to date; run: python tools/configuration.py", file=sys.stderr)
    return 1


def render_document() -> str:
    parts = [
        INTRODUCTION,
        _section("chat_service", settings(ChatSettings)),
        _section("automation_service", settings(AutomationSettings)),
        _section("The gateway (`python -m gateway`)", GATEWAY),
        _section("The HTTP door (`python -m gateway.http`)", HTTP),
        _section("`make run`", DEVSTACK),
        _section("The `rota` command", CLIENT),
    ]
    return "\n".join(parts)


def settings(kind: type[BaseSettings]) -> Iterator[Row]:
    for name, field in kind.model_fields.items():
        default = "required" if field.is_required() else _format_default(field.default)
        yield variable_of(kind, name), default, field.description or ""


def _section(title: str, rows: Iterable[Row]) -> str:
    lines = [f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
    for variable, default, meaning in rows:
        value = default if default in ("", "required") else f"`{_cell(default)}`"
        lines.append(f"| `{variable}` | {value} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


def _format_default(value: Any) -> str:
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
