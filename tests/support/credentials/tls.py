"""Both ends of TLS for one name."""

import ssl
from pathlib import Path

from tests.support.credentials.certificates import Authority


def contexts(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's with a certificate for `name`, and a client's that trusts it."""
    authority = Authority(folder=folder)
    issued = authority.issue("server", name)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.cert, issued.key)
    return server, ssl.create_default_context(cafile=str(authority.file))
