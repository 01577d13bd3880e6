"""The machine's certificates, which each HTTP client would read anew for some 25 ms."""

import functools
import os
import ssl
from typing import Any

import httpcore2

_TOLD = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def share_trust() -> None:
    """Has clients of this process share one context, unless the environment says whom to trust."""
    read = httpcore2.default_ssl_context
    once = functools.cache(read)

    def default_ssl_context(**options: Any) -> ssl.SSLContext:
        found: ssl.SSLContext = (read if os.environ.keys() & _TOLD else once)(**options)
        return found

    httpcore2.default_ssl_context = default_ssl_context
