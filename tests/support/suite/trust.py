"""The certificates to trust, which each HTTP client would read anew for some 25 ms."""

import functools
import os
import ssl
from typing import Any

import httpcore2


def share_trust() -> None:
    """Has clients of this process share one context, as long as the environment stays."""
    read = httpcore2.default_ssl_context

    @functools.cache
    def once(file: str | None, folder: str | None, **options: Any) -> ssl.SSLContext:
        found: ssl.SSLContext = read(**options)
        return found

    def default_ssl_context(**options: Any) -> ssl.SSLContext:
        told = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        return once(*told, **options)

    httpcore2.default_ssl_context = default_ssl_context
