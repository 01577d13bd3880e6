"""Callers and their tokens: people, and services that act for people."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

import jwt
from cachetools import TLRUCache

from shared import errors
from shared.text.invisible_characters import clean_name, name_fault

USER_ISSUER: Final = "rota"
USER_AUDIENCE: Final = "rota"
SERVICE_ISSUER: Final = "rota-service"
ROLES: Final = ("viewer", "editor", "owner")
# A run, a turn or a task acts for a member with one of these.
ROLES_THAT_ACT: Final = ROLES[ROLES.index("editor") :]
EPOCH: Final = datetime.fromtimestamp(0, UTC)
NEVER: Final = datetime.max.replace(tzinfo=UTC)
ALGORITHMS: Final = ["ES256", "RS256", "EdDSA"]
SERVICE_TOKEN_LIFE: Final = timedelta(minutes=2)
# What reading a token raises when it is not one.
_UNREADABLE: Final = (
    jwt.PyJWTError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)
LEEWAY: Final = timedelta(seconds=30)
CACHE_SIZE: Final = 4096


# What set a role: the person's token, a call that changes members, or a sign-in.
RoleSource = Literal["token", "member_call", "sign_in"]
ROLE_SOURCES: Final[tuple[RoleSource, ...]] = get_args(RoleSource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A person's role in a workspace, what set it, and when. For a token, when it was issued."""

    role: str
    source: RoleSource = "token"
    set_time: datetime = EPOCH

    def allows(self, needs: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(needs)

    def role_of(self, caller: "Caller", workspace: str) -> str:
        """Returns the role that a call of the member has.

        A token grants no more than it says, unless something other than a token set the role.
        """
        if caller.service or self.source != "token":
            return self.role
        return min(self.role, caller.workspaces[workspace], key=ROLES.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalClaim:
    """A decision that approved what a service now does. `digest` is of the payload as shown."""

    approval: str  # its resource name
    requester: str
    approver: str
    digest: str
    edited: bool
    decide_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A verified caller. `service` is set when a service acts for the user.

    `workspaces` has the role that the token says for each workspace; for a service the role that
    it has stored, or "" when it has none. `membership` is that stored one, and `approval` the
    decision that the service carries out, if any.
    """

    user: str
    display_name: str = ""
    workspaces: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    service: str = ""
    membership: Membership | None = None
    approval: ApprovalClaim | None = None
    issue_time: datetime = EPOCH
    expire_time: datetime = NEVER

    def claim(self, workspace: str) -> Membership | None:
        """Returns the membership that the token states; None for a service that has none."""
        if self.service:
            return self.membership
        return Membership(role=self.workspaces[workspace], set_time=self.issue_time)


def require_role(has: str, needs: str) -> None:
    """Raises PermissionDenied for a role below `needs`."""
    if ROLES.index(has) < ROLES.index(needs):
        raise errors.PermissionDenied(role=has, needs=needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a call was admitted to: a resource name, its workspace, and the role that it takes."""

    name: str
    workspace: str
    role: str


@dataclass(slots=True)
class CallerScope:
    """Makes a caller the current one. `grants` has the grant of each workspace of the call."""

    caller: Caller
    grants: dict[str, Grant] = field(default_factory=dict)
    _token: "Token[CallerScope] | None" = None

    def __enter__(self) -> None:
        self._token = _current.set(self)

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        # A stream that was cut short is closed in another context.
        with contextlib.suppress(ValueError):
            _current.reset(self._token)


_current: ContextVar[CallerScope] = ContextVar("caller")


def current() -> Caller:
    """The caller of the RPC being served."""
    return _current.get().caller


def record_grant(grant: Grant) -> None:
    """Records what the RPC being served was admitted to, unless it has that with a higher role."""
    grants = _current.get().grants
    before = grants.get(grant.workspace)
    if before is None or ROLES.index(before.role) < ROLES.index(grant.role):
        grants[grant.workspace] = grant


class Verifier:
    """Checks bearer tokens against key sets: people's, and services'.

    A person's token carries `sub`, `workspaces` ({id: role}), and optionally `iat`, `name` and
    `zoneinfo` (IANA). A service's token carries `sub` (the service, which is also the id of its
    key) and `obo` ({user, workspace, member}, where `member` is the membership that the service
    has stored), and optionally `approval`, the decision that it carries out; it is bound to this
    service by `aud` and short-lived.
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
            of_service = unchecked.get("iss") == SERVICE_ISSUER
            who = self._service_caller(token) if of_service else self._user_caller(token)
            return who.expire_time.timestamp(), who
        except jwt.ExpiredSignatureError:
            raise errors.Unauthenticated("the token has expired") from None
        except _UNREADABLE:
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
            # Without it the token can't be newer than another, so it changes no stored role.
            issue_time=_time(claims["iat"]) if "iat" in claims else EPOCH,
            expire_time=_time(claims["exp"]),
        )

    def _service_caller(self, token: str) -> Caller:
        claims = _decode(token, self._services, audience=self._service, issuer=SERVICE_ISSUER)
        if jwt.get_unverified_header(token)["kid"] != claims["sub"]:
            raise ValueError("the key of another service")
        behalf = claims.get("obo") or {}
        workspace, user = behalf.get("workspace", ""), behalf.get("user", "")
        member = _membership(behalf["member"]) if behalf.get("member") else None
        return Caller(
            user=user,
            workspaces={workspace: member.role if member else ""} if workspace and user else {},
            service=_text(claims["sub"], 63),
            membership=member,
            approval=_approval(claims["approval"]) if "approval" in claims else None,
            issue_time=_time(claims["iat"]),
            expire_time=_time(claims["exp"]),
        )


class ServiceIdentity:
    """Signs this service's calls to another one."""

    def __init__(self, *, service: str, key_pem: str, key_id: str) -> None:
        self._service = service
        self._key = key_pem
        self._key_id = key_id

    def token(
        self,
        *,
        audience: str,
        user: str = "",
        workspace: str = "",
        membership: Membership | None = None,
        approval: ApprovalClaim | None = None,
    ) -> str:
        """Signs a token for `audience`. `membership` is the user's, as this service stores it."""
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
        if user and membership is not None:
            claims["obo"]["member"] = {
                "role": membership.role,
                "source": membership.source,
                "set_time": membership.set_time.timestamp(),
            }
        if approval is not None:
            decide_time = approval.decide_time.timestamp()
            claims["approval"] = {**asdict(approval), "decide_time": decide_time}
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


def _membership(claim: Mapping[str, Any]) -> Membership:
    role, source = claim["role"], claim["source"]
    if role not in ROLES or source not in ROLE_SOURCES:
        raise ValueError("unknown role")
    return Membership(role=role, source=source, set_time=_time(claim["set_time"]))


def _approval(claim: Mapping[str, Any]) -> ApprovalClaim:
    name, edited = claim["approval"], claim["edited"]
    if not isinstance(name, str) or len(name) > 300 or not isinstance(edited, bool):
        raise ValueError("not an approval")
    return ApprovalClaim(
        approval=name,
        requester=_text(claim["requester"], 128),
        approver=_text(claim["approver"], 128),
        digest=_text(claim["digest"], 64),
        edited=edited,
        decide_time=_time(claim["decide_time"]),
    )


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
