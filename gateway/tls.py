"""Envoy's transport sockets: TLS for callers, TLS or mTLS to the services."""

import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

Socket = dict[str, Any]

_TYPES: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_OLDEST: Final = {"tls_minimum_protocol_version": "TLSv1_2"}


def downstream(settings: Mapping[str, str]) -> Socket | None:
    """Returns the socket for callers; None without a certificate."""
    own = _own("ROTA_GATEWAY_TLS_CERT_FILE", "ROTA_GATEWAY_TLS_KEY_FILE", settings)
    if own is None:
        return None
    common = {
        "tls_params": _OLDEST,
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [own],
    }
    return _socket("DownstreamTlsContext", {"common_tls_context": common})


def upstream(
    settings: Mapping[str, str], hosts: Iterable[str], protocol: str = "h2"
) -> Socket | None:
    """Returns the socket to a program of ours; its certificate must name a host.

    None without a CA.
    """
    own = _own("ROTA_TLS_CERT_FILE", "ROTA_TLS_KEY_FILE", settings)
    authority = settings.get("ROTA_TLS_CA_FILE")
    if not authority:
        if own:
            raise ValueError("ROTA_TLS_CA_FILE is missing beside ROTA_TLS_CERT_FILE")
        return None
    names = list(dict.fromkeys(hosts))
    common = {
        "tls_params": _OLDEST,
        "alpn_protocols": [protocol],
        "tls_certificates": [own] if own else [],
        "validation_context": {
            "trusted_ca": {"filename": str(Path(authority).absolute())},
            "match_typed_subject_alt_names": [_subject(name) for name in names],
        },
    }
    sni = {} if _is_address(names[0]) else {"sni": names[0]}
    return _socket("UpstreamTlsContext", {"common_tls_context": common, **sni})


def _own(cert: str, key: str, settings: Mapping[str, str]) -> dict[str, Any] | None:
    given = {name: settings.get(name) for name in (cert, key)}
    missing = [name for name, value in given.items() if not value]
    if len(missing) == 2:
        return None
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return {
        "certificate_chain": {"filename": str(Path(str(given[cert])).absolute())},
        "private_key": {"filename": str(Path(str(given[key])).absolute())},
    }


def _subject(name: str) -> dict[str, Any]:
    kind = "IP_ADDRESS" if _is_address(name) else "DNS"
    return {"san_type": kind, "matcher": {"exact": name}}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _socket(kind: str, context: dict[str, Any]) -> Socket:
    config = {"@type": f"{_TYPES}.{kind}", **context}
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}
