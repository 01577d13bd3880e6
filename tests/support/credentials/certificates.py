"""An authority for tests, and certificates that it issues, as PEM files."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.credentials.tokens import new_key, pem


@dataclass(frozen=True, slots=True)
class Certificate:
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    folder: Path
    name: str = "ours"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        made = self._signed(self.name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.file.write_bytes(made)

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}-ca.pem"

    def issue(self, name: str, *addresses: str) -> Certificate:
        """For these addresses, by default this machine's."""
        key = new_key()
        names = [_subject(address) for address in addresses or ("127.0.0.1", "localhost")]
        basic = x509.BasicConstraints(ca=False, path_length=None)
        made = self._signed(name, key, basic, x509.SubjectAlternativeName(names))
        stem = self.folder / f"{self.name}-{name}"
        found = Certificate(cert=stem.with_suffix(".pem"), key=stem.with_suffix(".key"))
        found.cert.write_bytes(made)
        found.key.write_text(pem(key))
        return found

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        return made.public_bytes(Encoding.PEM)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _subject(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)
