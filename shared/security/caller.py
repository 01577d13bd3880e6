"""Callers and their tokens: people, and services that act for people."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
from cachetools import TLRUCache

from shared import errors
from shared.invisible_characters import clean_name, name_fault

USER_ISSUER: Final = "rota"
USER_AUDIENCE: Final = "rota"
SERVICE_ISSUER: Final = "rota-service"
ROLES: Final = ("viewer", "editor", "owner")
ALGORITHMS: Final = ["ES256", "RS256", "EdDSA"]
SERVICE_TOKEN_LIFE: Final = timedelta(minutes=2)
LEEWAY: Final = timedelta(seconds=30)
CACHE_SIZE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A verified caller. `service` is set when a service acts for the user."""

    user: str
    display_name: str = ""
    workspaces: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    service: str = ""

    def require(self, workspace: str, role: str, *, name: str) -> None:
        """Refuses unless the caller has at least `role` in the workspace.

        To a caller who is no member, `name` does not exist.
        """
        has = self.workspaces.get(workspace)
        if has is None:
            raise errors.ResourceNotFound(name)
        if ROLES.index(has) < ROLES.index(role):
            raise errors.PermissionDenied(role=has, needs=role)


_current: ContextVar[Caller] = ContextVar("caller")


def current() -> Caller:
    """The caller of the RPC being served."""
    return _current.get()


@dataclass(slots=True)
class CallerScope:
    """Makes a caller the current one."""

    caller: Caller
    _token: Token[Caller] | None = None

    def __enter__(self) -> None:
        self._token = _current.set(self.caller)

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        # A stream that was cut short is closed in another context.
        with contextlib.suppress(ValueError):
            _current.reset(self._token)


class Verifier:
    """Checks bearer tokens against key sets: people's, and services'.

    A person's token carries `sub`, `workspaces` ({id: role}), and optionally `name` and
    `zoneinfo` (IANA). A service's token carries `sub` (the service) and `obo`
    ({user, workspace}); it is bound to this service by `aud` and short-lived.
    """

    def __init__(
        self,
        *,
        users: jwt.PyJWKSet,
        services: jwt.PyJWKSet,
        service: str,
        most_known: int = CACHE_SIZE,
        timer: Callable[[], float] = time.time,
    ) -> None:
        self._users = users
        self._services = services
        self._service = service
        # By a digest of the token: whom it names, and until when it needs no second look.
        self._known: TLRUCache[bytes, tuple[float, Caller]] = TLRUCache(
            most_known, ttu=lambda _, known, __: known[0], timer=timer
        )

    def verify(self, authorization: str) -> Caller:
        """Returns the caller of an `authorization` header. Raises Unauthenticated.

        It checks a token's signature when it first sees it, and its expiry each time.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.Unauthenticated("a bearer token is required")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None:
            known = self._known[digest] = self._checked(token)
        return known[1]

    def _checked(self, token: str) -> tuple[float, Caller]:
        try:
            unchecked = jwt.decode(token, options={"verify_signature": False})
            if unchecked.get("iss") == SERVICE_ISSUER:
                return float(unchecked["exp"]), self._service_caller(token)
            return float(unchecked["exp"]), self._user_caller(token)
        except jwt.ExpiredSignatureError:
            raise errors.Unauthenticated("the token has expired") from None
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
            raise errors.Unauthenticated("the token is not valid") from None

    def _user_caller(self, token: str) -> Caller:
        claims = _decode(token, self._users, audience=USER_AUDIENCE, issuer=USER_ISSUER)
        workspaces = dict(claims.get("workspaces") or {})
        if any(role not in ROLES for role in workspaces.values()):
            raise ValueError("unknown role")
        return Caller(
            user=_text(claims["sub"], 128),
            display_name=clean_name(str(claims.get("name", ""))[:200]),
            workspaces={_text(w, 63): role for w, role in workspaces.items()},
            zone=str(claims.get("zoneinfo", ""))[:64],
        )

    def _service_caller(self, token: str) -> Caller:
        claims = _decode(token, self._services, audience=self._service, issuer=SERVICE_ISSUER)
        behalf = claims.get("obo") or {}
        workspace, user = behalf.get("workspace", ""), behalf.get("user", "")
        return Caller(
            user=user,
            workspaces={workspace: "editor"} if workspace and user else {},
            service=_text(claims["sub"], 63),
        )


class ServiceIdentity:
    """Signs this service's calls to another one."""

    def __init__(self, *, service: str, key_pem: str, key_id: str) -> None:
        self._service = service
        self._key = key_pem
        self._key_id = key_id

    def token(self, *, audience: str, user: str = "", workspace: str = "") -> str:
        # The verifier reads the machine's clock, so the signer does too.
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "iss": SERVICE_ISSUER,
            "sub": self._service,
            "aud": audience,
            "iat": now,
            "exp": now + SERVICE_TOKEN_LIFE,
        }
        if user:
            claims["obo"] = {"user": user, "workspace": workspace}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})


def read_key_set(path: Path) -> jwt.PyJWKSet:
    return jwt.PyJWKSet.from_json(path.read_text())


def _decode(token: str, keys: jwt.PyJWKSet, *, audience: str, issuer: str) -> dict[str, Any]:
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(
        token,
        key,
        algorithms=ALGORITHMS,
        audience=audience,
        issuer=issuer,
        leeway=LEEWAY,
        options={"require": ["exp", "sub", "aud", "iss"]},
    )


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= limit or "/" in value:
        raise ValueError("not an identifier")
    if fault := name_fault(value):
        raise ValueError(f"an identifier that {fault}")
    return value
