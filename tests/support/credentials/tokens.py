"""Keys, key sets and tokens for tests: people's and services'."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from shared.security import caller

USER_KEY_ID = "test-user"
SERVICES = ("chat_service", "automation_service")


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_set(keys: dict[str, ec.EllipticCurvePrivateKey]) -> str:
    """The public halves as a JWKS document, each under its key id."""
    entries = [
        {
            **json.loads(ECAlgorithm.to_jwk(key.public_key())),
            "kid": key_id,
            "alg": "ES256",
            "use": "sig",
        }
        for key_id, key in keys.items()
    ]
    return json.dumps({"keys": entries})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A user issuer's key and one key a service (key id = service name), as files in `folder`."""

    folder: Path
    user_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    service_keys: dict[str, ec.EllipticCurvePrivateKey] = field(
        default_factory=lambda: {service: new_key() for service in SERVICES}
    )

    def __post_init__(self) -> None:
        self.jwks_file.write_text(key_set({USER_KEY_ID: self.user_key}))
        self.service_jwks_file.write_text(key_set(self.service_keys))
        for service, key in self.service_keys.items():
            self.service_key_file(service).write_text(pem(key))

    @property
    def jwks_file(self) -> Path:
        return self.folder / "users.jwks.json"

    @property
    def service_jwks_file(self) -> Path:
        return self.folder / "services.jwks.json"

    def service_key_file(self, service: str) -> Path:
        return self.folder / f"{service}.pem"

    def user_token(
        self,
        user: str = "ada",
        workspaces: dict[str, str] | None = None,
        *,
        name: str = "Ada",
        zoneinfo: str = "",
        expires_in: timedelta = timedelta(hours=1),
        key: ec.EllipticCurvePrivateKey | None = None,
        **claims: Any,
    ) -> str:
        """A person's token; by default an owner of the workspace `w`. Claims given win."""
        now = datetime.now(UTC)
        said = {
            "iss": caller.USER_ISSUER,
            "aud": caller.USER_AUDIENCE,
            "sub": user,
            "iat": now,
            "exp": now + expires_in,
            "name": name,
            "workspaces": {"w": "owner"} if workspaces is None else workspaces,
            **({"zoneinfo": zoneinfo} if zoneinfo else {}),
            **claims,
        }
        return jwt.encode(
            said, pem(key or self.user_key), algorithm="ES256", headers={"kid": USER_KEY_ID}
        )

    def identity(self, service: str) -> caller.ServiceIdentity:
        return caller.ServiceIdentity(
            service=service, key_pem=pem(self.service_keys[service]), key_id=service
        )

    def service_token(
        self,
        service: str,
        *,
        audience: str,
        user: str = "",
        workspace: str = "",
        role: str = "editor",
        **membership: Any,
    ) -> str:
        """A service's token, on behalf of a user of a workspace when both are given.

        The service has stored `role` for the user long ago; "": it knows no such member.
        """
        member = caller.Membership(role=role, **membership) if role else None
        return self.identity(service).token(
            audience=audience, user=user, workspace=workspace, membership=member
        )

    def user_headers(self, user: str = "ada", **options: Any) -> list[tuple[str, str]]:
        """gRPC metadata of a person's call."""
        return [("authorization", f"Bearer {self.user_token(user, **options)}")]

    def service_headers(self, service: str, **options: Any) -> list[tuple[str, str]]:
        """gRPC metadata of a service's call."""
        return [("authorization", f"Bearer {self.service_token(service, **options)}")]
