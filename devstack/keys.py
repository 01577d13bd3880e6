"""The keys of one state folder, created on first use.

They sign people's tokens and each service's, and encrypt what each service keeps secret.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from shared.security.secretbox import new_key

SERVICES: Final = ("chat_service", "automation_service")
USERS: Final = "users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    folder: Path

    @property
    def users_jwks(self) -> Path:
        return self.folder / "users.jwks.json"

    @property
    def services_jwks(self) -> Path:
        return self.folder / "services.jwks.json"

    def private(self, name: str) -> Path:
        """Returns a PEM file; its key id in the key set is `name`: `users` or a service."""
        return self.folder / f"{name}.pem"

    def secret(self, name: str) -> str:
        """Returns the key with which a service encrypts."""
        return self.secret_file(name).read_text().strip()

    def secret_file(self, name: str) -> Path:
        return self.folder / f"{name}.secret"


def ensure(state: Path) -> Keys:
    keys = Keys(folder=state / "keys")
    keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = {name: _public(keys.private(name), name) for name in (USERS, *SERVICES)}
    for name in SERVICES:
        if not keys.secret_file(name).exists():
            _write(keys.secret_file(name), new_key())
    _write(keys.users_jwks, json.dumps({"keys": [public[USERS]]}))
    _write(keys.services_jwks, json.dumps({"keys": [public[name] for name in SERVICES]}))
    return keys


def _public(path: Path, name: str) -> dict[str, Any]:
    if not path.exists():
        _write(path, _new_key())
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no elliptic curve key")
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": name, "alg": "ES256", "use": "sig"}


def _new_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(text)
    beside.replace(path)
