"""The models file: models, subagents, tool rules and MCP servers of an installation."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import httpx2
import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from chat_service.llm.config import CONTEXT_TOKENS, DEFAULT_ID, ModelConfig
from chat_service.llm.features.request_options import Header, RequestOptions
from chat_service.llm.usage import MAX_TOKENS
from chat_service.runtime.subagent import Subagent, researcher
from shared.security.body_decoder import ACCEPTED
from shared.security.egress import bound_responses
from shared.telemetry import logs

log = logs.logger(__name__)

FALLBACK: Final = "gpt-5-mini"
TIMEOUT_SECONDS: Final = 5.0
MAX_LIST_BYTES: Final = 4 * 1024 * 1024


async def find_default_model(base_url: str, api_key: str) -> str:
    """Returns FALLBACK for OpenAI's own endpoint or if the endpoint lists it, else its first model.

    Returns FALLBACK too if the endpoint lists nothing.
    """
    if not base_url:
        return FALLBACK
    try:
        async with httpx2.AsyncClient(
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            headers={"accept-encoding": ACCEPTED},
            event_hooks={"response": [bound_responses(MAX_LIST_BYTES)]},
        ) as client:
            answer = await client.get(
                f"{base_url.rstrip('/')}/models", headers={"authorization": f"Bearer {api_key}"}
            )
            answer.raise_for_status()
            served = [str(model["id"]) for model in answer.json()["data"]]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        log.warning("models_not_listed", error=type(error).__name__)
        return FALLBACK
    return served[0] if served and FALLBACK not in served else FALLBACK


# whether a call needs an approval; `off` removes the tool
ToolRule = Literal["always", "never", "off"]


class McpSampling(BaseModel):
    """What a server may ask of the turn's model within one call of a tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_calls: Annotated[int, Field(gt=0, le=100)] = 5
    max_tokens: Annotated[int, Field(gt=0, le=32_000, description="of one answer")] = 1_000


MAX_SECRET_BYTES: Final = 16 * 1024


class McpOAuth(BaseModel):
    """Client credentials of OAuth 2, with which a token for a server is fetched.

    The secret is in an environment variable or in a file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_url: Annotated[str, Field(pattern=r"^https?://")]
    client_id: Annotated[str, Field(min_length=1, max_length=1000)]
    client_secret_env: str | None = None
    client_secret_file: Path | None = None
    scope: Annotated[str, Field(max_length=2000)] = ""
    resource: Annotated[str, Field(max_length=2000)] = ""
    auth_method: Literal["basic", "post"] = "basic"

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.client_secret_env is None) == (self.client_secret_file is None):
            raise ValueError("either client_secret_env or client_secret_file is required")
        return self

    def read_secret(self, environ: Mapping[str, str]) -> str:
        """Raises ValueError for a secret that is not there; the text holds nothing of one."""
        if self.client_secret_file is None:
            assert self.client_secret_env is not None
            found = environ.get(self.client_secret_env, "")
            where = self.client_secret_env
        else:
            where = str(self.client_secret_file)
            try:
                with self.client_secret_file.open("rb") as file:
                    found = file.read(MAX_SECRET_BYTES).decode().strip()
            except (OSError, UnicodeDecodeError):
                raise ValueError(f"{where} can't be read") from None
        if not found:
            raise ValueError(f"{where} is not set")
        return found


class McpServer(BaseModel):
    """An MCP server at `url` (streamable HTTP) or started as `command` (stdio).

    The tool `search` of the server `wiki` is called `wiki_search`. `approval` is the rule of all
    its tools; `tools` overrides it for single ones, or turns them `off`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,30}$")]
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    header_env: dict[str, str] = Field(
        default_factory=dict, description="header → the environment variable that holds its value"
    )
    oauth: McpOAuth | None = None
    command: Annotated[list[str], Field(min_length=1)] | None = None
    env: Annotated[list[str], Field(description="variables that the command is given")] = Field(
        default_factory=list
    )
    approval: ToolRule = "always"
    tools: dict[str, ToolRule] = Field(default_factory=dict)
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    sampling: McpSampling | None = Field(None, description="absent: sampling is refused")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.command is None):
            raise ValueError("either url or command is required")
        if self.oauth is not None:
            if self.url is None:
                raise ValueError("oauth is for a url")
            if "authorization" in {header.lower() for header in self.header_env}:
                raise ValueError("oauth and the header Authorization exclude each other")
        return self

    def rule(self, tool: str) -> ToolRule:
        return self.tools.get(tool, self.approval)

    def secrets(self, environ: Mapping[str, str]) -> dict[str, SecretStr]:
        """Returns headers, or variables of the command. Raises KeyError for one that is not set."""
        wanted = self.header_env if self.command is None else {name: name for name in self.env}
        return {name: SecretStr(environ[variable]) for name, variable in wanted.items()}


MAX_CONTEXT_TOKENS: Final = 10_000_000


class Models(Mapping[int, ModelConfig]):
    """Every configured model by id, in the order of the file."""

    def __init__(
        self,
        configs: list[ModelConfig],
        monthly_credit_micros: int | None,
        mcp_servers: Sequence[McpServer] = (),
        tools: Mapping[str, ToolRule] | None = None,
        subagents: Sequence[Subagent] | None = None,
    ) -> None:
        self._configs = {config.id: config for config in configs}
        self.monthly_credit_micros = monthly_credit_micros
        self.mcp_servers = tuple(mcp_servers)
        self.tools = tools or {}
        self.subagents = (researcher(),) if subagents is None else tuple(subagents)

    def __getitem__(self, config_id: int) -> ModelConfig:
        return self._configs[config_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._configs)

    def __len__(self) -> int:
        return len(self._configs)


class BadModelsFile(RuntimeError):
    """The models file is invalid; the message says where and why."""


def load_models(
    path: Path | None,
    *,
    openai_api_key: str,
    openai_base_url: str,
    default_model: str,
    environ: Mapping[str, str],
) -> Models:
    """Reads the models file; without one, returns one model from the other arguments.

    `environ` holds the variables that the file's `api_key_env` names. Raises BadModelsFile.
    """
    if path is None:
        only = ModelConfig(
            id=DEFAULT_ID,
            display_name=default_model,
            model=default_model,
            base_url=openai_base_url,
            api_key=SecretStr(openai_api_key),
        )
        return Models([only], None)
    found = _read(path)
    return Models(
        [entry.config(openai_api_key, openai_base_url, environ, path) for entry in found.models],
        found.monthly_credit_micros,
        [_reachable(server, environ, path) for server in found.mcp_servers],
        {str(name): rule for name, rule in found.tools.items()},
        found.subagents,
    )


def _reachable(server: McpServer, environ: Mapping[str, str], path: Path) -> McpServer:
    try:
        server.secrets(environ)
        if server.oauth is not None:
            server.oauth.read_secret(environ)
    except KeyError as exc:
        raise BadModelsFile(f"{path}: MCP server {server.id}: {exc.args[0]} is not set") from None
    except ValueError as exc:
        raise BadModelsFile(f"{path}: MCP server {server.id}: {exc}") from None
    return server


_SETTINGS: Final = tuple(RequestOptions.model_fields)
_Price = Annotated[int, Field(ge=0, le=1_000_000_000_000)]


class _Entry(RequestOptions):
    id: Annotated[int, Field(lt=0, description="below 0, unique")]
    display_name: Annotated[str, Field(min_length=1, max_length=200)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    base_url: Annotated[str, Field(pattern=r"^(https?://.*)?$")] | None = None
    api_key_env: str | None = None
    supports_images: bool | None = None
    premium: bool = False
    auto_eligible: bool = True
    input_price: _Price = 0
    output_price: _Price = 0
    cached_price: _Price | None = None
    reserve_tokens: Annotated[int, Field(gt=0, le=MAX_TOKENS)] = 4_000
    context_tokens: Annotated[int, Field(ge=1_000, le=MAX_CONTEXT_TOKENS)] = CONTEXT_TOKENS
    header_env: dict[Header, str] = Field(
        default_factory=dict, description="header → the environment variable that holds its value"
    )

    def config(
        self, key: str, base_url: str, environ: Mapping[str, str], path: Path
    ) -> ModelConfig:
        if self.api_key_env is not None:
            if not environ.get(self.api_key_env):
                raise BadModelsFile(f"{path}: model {self.id}: {self.api_key_env} is not set")
            key = environ[self.api_key_env]
        own = self.model_dump(exclude={"api_key_env", "base_url", "header_env", *_SETTINGS})
        priced = {"input_price", "output_price"}
        return ModelConfig(
            **own,
            free=priced <= self.model_fields_set and not any(own[price] for price in priced),
            settings=self.settings(self._secret_headers(environ, path)),
            base_url=base_url if self.base_url is None else self.base_url,
            api_key=SecretStr(key),
        )

    def _secret_headers(self, environ: Mapping[str, str], path: Path) -> dict[str, str]:
        missing = [name for name in self.header_env.values() if not environ.get(name)]
        if missing:
            raise BadModelsFile(f"{path}: model {self.id}: {missing[0]} is not set")
        return {header: environ[name] for header, name in self.header_env.items()}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    monthly_credit_micros: Annotated[int, Field(ge=0)] | None = None
    models: Annotated[list[_Entry], Field(min_length=1)]
    mcp_servers: list[McpServer] = Field(default_factory=list)
    tools: dict[Literal["now", "fetch_url"], ToolRule] = Field(default_factory=dict)
    subagents: list[Subagent] | None = None


# what has the settings of a part of the file
_PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "models": _Entry,
    "mcp_servers": McpServer,
    "oauth": McpOAuth,
    "sampling": McpSampling,
    "subagents": Subagent,
}


def _read(path: Path) -> _File:
    try:
        said = yaml.safe_load(path.read_text())
        if not isinstance(said, Mapping):
            what = "is empty" if said is None else "holds no settings"
            raise BadModelsFile(f"{path} {what}: `models`, a list, is required")
        found = _File.model_validate(said)
    except OSError as exc:
        raise BadModelsFile(f"{path} can't be read: {exc.strerror}") from None
    except yaml.YAMLError as exc:
        raise BadModelsFile(f"{path} is no YAML: {exc}") from None
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_input=False)
        raise BadModelsFile(f"{path}: {'; '.join(map(_format_fault, faults))}") from None
    ids = [entry.id for entry in found.models]
    if len(set(ids)) != len(ids):
        raise BadModelsFile(f"{path}: models: each id may be used once")
    servers = [server.id for server in found.mcp_servers]
    if len(set(servers)) != len(servers):
        raise BadModelsFile(f"{path}: mcp_servers: each id may be used once")
    named = [subagent.name for subagent in found.subagents or ()]
    if len(set(named)) != len(named):
        raise BadModelsFile(f"{path}: subagents: each name may be used once")
    return found


def _format_fault(fault: ErrorDetails) -> str:
    where = ".".join(map(str, fault["loc"]))
    match fault["type"]:
        case "extra_forbidden":
            known = _settings_at(fault["loc"])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=3)
            meant = (
                f": is {' or '.join(near)} meant?" if near else f": there are {', '.join(known)}"
            )
            return f"{where} is no setting{meant}"
        case "missing":
            return f"{where} is required"
        case "model_type" | "dict_type":
            return f"{where} should hold settings by their names"
        case "string_pattern_mismatch" if "https?://" in fault["ctx"]["pattern"]:
            return f"{where} should begin with http:// or https://"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"


def _settings_at(where: Sequence[int | str]) -> list[str]:
    parts = (_PARTS[str(part)] for part in reversed(where[:-1]) if str(part) in _PARTS)
    return list(next(parts, _File).model_fields)
