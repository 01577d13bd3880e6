"""envoy.yaml, rendered from the environment."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

from gateway import local_replies, page, routes, tls
from gateway.addresses import address, addresses, is_local

HERE: Final = Path(__file__).resolve().parent
PAGE: Final = HERE / "page.html"
DESCRIPTORS: Final = HERE / "rota.binpb"
DEFAULTS: Final = {
    "ROTA_GATEWAY_LISTEN": "127.0.0.1:8080",
    "ROTA_GATEWAY_ADMIN_PORT": "0",
    "ROTA_HTTP_ADDRESS": "127.0.0.1:8081",
    "ROTA_HTTP_LISTEN": "127.0.0.1:8081",
    "ROTA_CHAT_ADDRESS": "127.0.0.1:7001",
    "ROTA_AUTOMATION_ADDRESS": "127.0.0.1:7002",
    "ROTA_CORS_ORIGINS": r"https?://(localhost|127\.0\.0\.1)(:[0-9]+)?",
    "ROTA_RATE_PER_SECOND": "50",
    "ROTA_RATE_BURST": "200",
    "ROTA_CALL_SECONDS": "30",
    "ROTA_IDLE_SECONDS": "60",
    "ROTA_SILENT_SECONDS": "5",
    "ROTA_UNUSED_SECONDS": "30",
    "ROTA_TICKET_SECONDS": "60",
    "ROTA_DRAIN_SECONDS": "5",
}
# Names of headers that gRPC's core parses, each in a way of its own, and names that it refuses. A
# value that it can't parse may stay in the table of a connection that all callers share.
PARSED_HEADERS: Final = (
    r".*-bin|lb-.*|grpc-(status|message|retry-pushback-ms|previous-rpc-attempts|internal-.*)"
    r"|.*[^a-z0-9_.:-].*"
)


def render(settings: Mapping[str, str]) -> str:
    """Raises KeyError for a missing setting, ValueError for an invalid one."""
    host, port = address("ROTA_GATEWAY_LISTEN", settings)
    patterns = routes.patterns(DESCRIPTORS.read_bytes())
    values = {
        "gateway_host": host,
        "gateway_port": port,
        "admin_port": _number("ROTA_GATEWAY_ADMIN_PORT", settings, least=0),
        "gateway_tls": json.dumps(tls.downstream(settings)),
        "jwks_file": str(Path(settings["ROTA_JWKS_FILE"]).absolute()),
        "cors_origins": settings["ROTA_CORS_ORIGINS"],
        "rate_per_second": _number("ROTA_RATE_PER_SECOND", settings),
        "rate_burst": _number("ROTA_RATE_BURST", settings),
        "call_seconds": _number("ROTA_CALL_SECONDS", settings),
        "idle_seconds": _number("ROTA_IDLE_SECONDS", settings),
        "silent_seconds": _number("ROTA_SILENT_SECONDS", settings),
        "unused_seconds": _number("ROTA_UNUSED_SECONDS", settings),
        # JSON is YAML, so what is made here goes in as it is.
        "refusals": json.dumps(local_replies.mappers(patterns["ticket_paths"])),
        "malformed_timeout": local_replies.MALFORMED_TIMEOUT,
        "unserved_encoding": local_replies.UNSERVED_ENCODING,
        "unserved_content_type": local_replies.UNSERVED_CONTENT_TYPE,
        "without_trailers": local_replies.WITHOUT_TRAILERS,
        "parsed_headers": PARSED_HEADERS,
        "page": str(PAGE),
        "page_policy": page.policy(PAGE.read_text()),
        "page_tag": page.tag(PAGE.read_bytes()),
        "page_gzip": page.compress(PAGE.read_bytes()),
        "takes_gzip": page.TAKES_GZIP,
        **patterns,
    }
    for cluster in routes.PUBLIC:
        given = addresses(f"ROTA_{cluster.upper()}_ADDRESS", settings)
        values[f"{cluster}_endpoints"] = json.dumps([_endpoint(*each) for each in given])
        values[f"{cluster}_tls"] = json.dumps(tls.upstream(settings, [host for host, _ in given]))
    given = addresses("ROTA_HTTP_ADDRESS", settings)
    hosts = [host for host, _ in given]
    values["http_endpoints"] = json.dumps([_endpoint(*each) for each in given])
    away = not all(map(is_local, hosts))
    values["http_tls"] = json.dumps(tls.upstream(settings, hosts, "http/1.1") if away else None)
    return Template((HERE / "envoy.yaml").read_text()).substitute(values)


def _endpoint(host: str, port: str) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}


def _number(name: str, settings: Mapping[str, str], least: int = 1) -> str:
    value = settings[name]
    if not value.isdecimal() or int(value) < least:
        raise ValueError(f"{name} is not a whole number from {least}")
    return value
