"""The checks of what is set by hand for the requests to a model."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Final, Literal

from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from chat_service.llm.features.request_features import NEEDED, SCHEMA_KEYWORD, WORDS
from chat_service.llm.features.request_settings import RESERVED, RequestSettings, ResponseFormat
from chat_service.llm.usage import MAX_TOKENS

MAX_HEADERS: Final = 20
MAX_HEADER_CHARACTERS: Final = 8_192  # of names and values together
MAX_BODY_BYTES: Final = 16 * 1024  # of extra members, as JSON
# of Rota, of the connection, and of what stands between
_OUR_HEADERS: Final = frozenset(
    {"authorization", "accept-encoding", "connection", "content-length", "content-type", "host"}
    | {"transfer-encoding", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"}
    | {"trailer", "trailers", "upgrade", "expect", "content-encoding", "proxy-connection"}
)
# left out of requests to people's own models, since the SDK sets them from the environment
_NOT_OF_PEOPLE: Final = frozenset({"openai-organization", "openai-project"})
# Words of which a name has one that holds a secret, and ends of names without what divides words.
_SECRET_WORDS: Final = frozenset(
    {"apikey", "authorization", "bearer", "cookie", "credential", "credentials", "passphrase"}
    | {"passwd", "password", "passwords", "pwd", "secret", "secrets"}
)
_SECRET_ENDS: Final = (
    *("apikey", "apikeys", "accesskey", "accesskeyid", "privatekey", "authkey", "authtoken"),
    *("accesstoken", "bearertoken", "refreshtoken", "idtoken", "sessiontoken", "securitytoken"),
    *("clientsecret", "secretkey", "subscriptionkey", "signingkey", "password"),
)
# Words of the tokens that a model reads and writes: `eos_token` is no secret.
_OF_VOCABULARY: Final = frozenset(
    {"bos", "eos", "pad", "stop", "unk", "mask", "sep", "cls", "start", "end", "special", "next"}
)
# members of a request that the SDK or Rota may send
_MEMBERS: Final = frozenset(CompletionCreateParamsBase.__annotations__) | {"stream"}


def _can_be_left_out(feature: str) -> str:
    if feature in NEEDED:
        raise ValueError(f"no request can do without {feature}")
    return feature


def _is_not_ours(name: str) -> str:
    if name.lower() in _OUR_HEADERS | RESERVED:
        raise ValueError(f"{name} is set by Rota")
    return name


# of a request, and what else a request can do without
_Feature = Annotated[
    str,
    Field(pattern=r"^([a-z_]{1,40}|schema\.[$A-Za-z]{1,40})$"),
    AfterValidator(_can_be_left_out),
]
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$"), AfterValidator(_is_not_ours)]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,2000}$")]
_Member = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,100}$"), AfterValidator(_is_not_ours)]


def _few(headers: dict[str, str]) -> dict[str, str]:
    names = [name.lower() for name in headers]
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADER_CHARACTERS:
        raise ValueError(f"the headers have more than {MAX_HEADER_CHARACTERS:,} characters")
    if len(names) > MAX_HEADERS:
        raise ValueError(f"there are more than {MAX_HEADERS} headers")
    if len(set(names)) < len(names):
        raise ValueError("a header is there twice")
    if refused := sorted(_NOT_OF_PEOPLE & set(names)):
        raise ValueError(f"{refused[0]} is set by Rota")
    return headers


def _without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for a member that is called as a secret, wherever it stands in a body."""
    inner: list[tuple[str, Any]] = [("", body)]
    while inner:
        at, held = inner.pop()
        if isinstance(held, list):
            inner += [(f"{at}[{index}]", each) for index, each in enumerate(held)]
        elif isinstance(held, dict):
            for name, each in held.items():
                path = f"{at}.{name}" if at else name
                # A schema in a body may describe such a member.
                described = at.rpartition(".")[2] == "properties" and isinstance(each, dict)
                if is_secret_name(name) and not described:
                    raise ValueError(
                        f"{path} looks like a secret, and a body is stored and shown as it is: "
                        "use api_key or extra_headers, which are encrypted"
                    )
                inner.append((path, each))
    return body


def is_secret_name(name: str) -> bool:
    """Whether a member is called as what is secret: `api_key`, `Authorization`, `userToken`.

    A number of tokens is none, and neither is a token of a model: `max_tokens`, `eos_token`.
    """
    words = re.findall(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]+", name)
    words = [word.lower() for word in words]
    if any(word in _SECRET_WORDS for word in words):
        return True
    if words[-1:] == ["token"] and not _OF_VOCABULARY & set(words):
        return True
    return "".join(words).endswith(_SECRET_ENDS)


def _small(body: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(body).encode()) > MAX_BODY_BYTES:
        raise ValueError(f"is more than {MAX_BODY_BYTES // 1024} KiB as JSON")
    return body


class RequestOptions(BaseModel):
    """The members of RequestSettings, checked."""

    model_config = ConfigDict(extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(gt=0, le=MAX_TOKENS)] | None = None
    reasoning_effort: Annotated[str, Field(pattern="^[a-z]{1,20}$")] | None = None
    response_format: ResponseFormat | None = None
    strict: bool | None = None
    tool_choice: Literal["auto"] | None = None
    parallel_tool_calls: bool | None = None
    extra_headers: dict[Header, HeaderValue] = Field(default_factory=dict)
    extra_body: dict[_Member, Any] = Field(default_factory=dict)
    # after the members that it may name
    leave_out: list[_Feature] = Field(default_factory=list)

    @field_validator("leave_out")
    @classmethod
    def _are_parts(cls, leave_out: list[str], info: ValidationInfo) -> list[str]:
        known = WORDS | _MEMBERS | set(info.data.get("extra_body", leave_out))
        for name in leave_out:
            if name not in known and not name.startswith(SCHEMA_KEYWORD):
                near = difflib.get_close_matches(name, sorted(known - NEEDED), n=3)
                meant = f": is {' or '.join(near)} meant?" if near else ""
                raise ValueError(f"{name} is no part of a request{meant}")
        return leave_out

    def settings(self, secret_headers: Mapping[str, str]) -> RequestSettings:
        """Returns the settings, with more headers."""
        told = {one.name: getattr(self, one.name) for one in fields(RequestSettings)}
        headers = {**self.extra_headers, **secret_headers}
        leave_out = frozenset(self.leave_out)
        return RequestSettings(**{**told, "leave_out": leave_out, "extra_headers": headers})

    def stored(self) -> dict[str, Any] | None:
        """Returns what is set, without headers; None if nothing is."""
        return self.model_dump(exclude={"extra_headers"}, exclude_defaults=True) or None


class OwnRequestOptions(RequestOptions):
    """What a person may set for a model of their own: also bounded as a whole."""

    extra_headers: Annotated[dict[Header, HeaderValue], AfterValidator(_few)] = Field(
        default_factory=dict
    )
    extra_body: Annotated[
        dict[_Member, Any], AfterValidator(_small), AfterValidator(_without_secrets)
    ] = Field(default_factory=dict)
