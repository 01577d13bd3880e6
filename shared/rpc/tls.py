"""TLS between our own programs: one certificate each, all of one authority."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM, read once: a new certificate is taken at the next start.

    With `clients_show` a server answers only those who show a certificate of the authority.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes
    clients_show: bool = True

    def server(self) -> grpc.ServerCredentials:
        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)],
            root_certificates=self.authority if self.clients_show else None,
            require_client_auth=self.clients_show,
        )

    def channel(self) -> grpc.ChannelCredentials:
        """The server's certificate must be for the very name that is dialled."""
        return grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)


def read(
    certificate: Path | None, key: Path | None, authority: Path | None, *, clients_show: bool = True
) -> Tls | None:
    """None without any of the files. A RuntimeError says which is missing or of no use."""
    given = {
        "ROTA_TLS_CERT_FILE": certificate,
        "ROTA_TLS_KEY_FILE": key,
        "ROTA_TLS_CA_FILE": authority,
    }
    missing = [name for name, path in given.items() if path is None]
    if len(missing) == len(given):
        return None
    if certificate is None or key is None or authority is None:
        raise RuntimeError(f"{' and '.join(missing)}: not set, but the rest of TLS is")
    _check(certificate, key, authority)
    return Tls(
        certificate=certificate.read_bytes(),
        key=key.read_bytes(),
        authority=authority.read_bytes(),
        clients_show=clients_show,
    )


def subject_name(certificate: bytes) -> str:
    """The first host or address that a certificate is for; empty when it names none."""
    leaf = x509.load_pem_x509_certificate(certificate)
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next((str(name.value) for name in found), "")


def _check(certificate: Path, key: Path, authority: Path) -> None:
    # gRPC itself would only say that the port can't be bound.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(authority)
    except OSError as exc:
        raise RuntimeError(f"ROTA_TLS_CA_FILE: {authority}: {exc.strerror or exc}") from None
    try:
        context.load_cert_chain(certificate, key)
    except OSError as exc:
        named = f"ROTA_TLS_CERT_FILE and ROTA_TLS_KEY_FILE: {certificate}, {key}"
        raise RuntimeError(f"{named}: {exc.strerror or exc}") from None
