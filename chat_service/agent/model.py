"""Which models there are, what they cost, and how one is made ready."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

import httpx2
import yaml
from langchain_core.messages import AIMessage
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from chat_service.agent.chat_model import StreamingChat
from chat_service.agent.events import ModelUsed
from chat_service.agent.mcp_config import McpServer, Rule
from chat_service.agent.subagent import Subagent, researcher
from chat_service.agent.told_usage import MOST_TOKENS, believable

DEFAULT_ID: Final = -1
# what a model holds in one call where nobody has said it, and the most that may be said
CONTEXT_TOKENS: Final = 128_000
MOST_CONTEXT_TOKENS: Final = 10_000_000
# the longest silence within an answer
IDLE_SECONDS: Final = 60.0
# what the SDK would take from this process's environment for a person's own model
_NOT_OURS: Final = {"openai_proxy": "", "organization": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """One model that may be chosen. Prices are in millionths of a dollar for 1M tokens."""

    id: int
    display_name: str
    model: str
    base_url: str = ""  # empty: the provider's own
    api_key: SecretStr = field(default=SecretStr(""), repr=False, compare=False)
    supports_images: bool | None = None  # None: not known
    premium: bool = False
    auto_eligible: bool = True
    input_price: int = 0
    output_price: int = 0
    cached_price: int | None = None  # None: the price of input
    reserve_tokens: int = 4_000
    context_tokens: int = CONTEXT_TOKENS  # what it can read and write in one call

    @property
    def own(self) -> bool:
        """Whether it is a person's own, and not of the service's file."""
        return self.id > 0

    def cost_micros(self, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        cached_price = self.input_price if self.cached_price is None else self.cached_price
        fresh = max(input_tokens - cached_tokens, 0)
        total = (
            fresh * self.input_price
            + cached_tokens * cached_price
            + output_tokens * self.output_price
        )
        return -(-total // 1_000_000)

    def used(self, message: AIMessage, call: str = "") -> ModelUsed:
        """What its provider told. Counts that can't be so become ones that can, also in it."""
        message.usage_metadata = usage = believable(message.usage_metadata or {})
        tokens_in, tokens_out = usage["input_tokens"], usage["output_tokens"]
        cached = usage["input_token_details"]["cache_read"]
        return ModelUsed(
            model=self.model,
            config=self.id,
            premium=self.premium,
            call=call or uuid4().hex,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cached_tokens=cached,
            cost_micros=self.cost_micros(
                input_tokens=tokens_in, output_tokens=tokens_out, cached_tokens=cached
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBundle:
    """A configuration, ready to be called. `client` is set for a person's own."""

    config: ModelConfig
    client: httpx2.AsyncClient | None = None

    def chat(self, *, temperature: float | None = None) -> StreamingChat:
        """One of the service's own is kept for all its calls; a person's serves one bundle."""
        config, key = self.config, self.config.api_key.get_secret_value()
        if self.client is None:
            return _service_chat(config.model, config.base_url, key, temperature)
        own = {"http_async_client": self.client, **_NOT_OURS}
        return _chat(config.model, config.base_url, key, temperature, **own)


def _chat(
    model: str, base_url: str, key: str, temperature: float | None, **more: Any
) -> StreamingChat:
    return StreamingChat(
        model=model,
        base_url=base_url or None,
        # keyless servers still want the header
        api_key=SecretStr(key or "none"),
        temperature=temperature,
        max_retries=0,
        timeout=IDLE_SECONDS,
        streaming=True,
        stream_usage=True,
        stream_chunk_timeout=None,
        use_responses_api=False,
        **more,
    )


# Making one takes as long as many tokens, and it holds nothing but what it was made from.
@lru_cache(maxsize=64)
def _service_chat(model: str, base_url: str, key: str, temperature: float | None) -> StreamingChat:
    return _chat(model, base_url, key, temperature)


class Models(Mapping[int, ModelConfig]):
    """Every configured model by id, the first one first."""

    def __init__(
        self,
        configs: list[ModelConfig],
        monthly_credit_micros: int | None,
        mcp_servers: Sequence[McpServer] = (),
        tools: Mapping[str, Rule] | None = None,
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


class BadModelsFile(ValueError):
    """The models file can't be used; the message says where and why."""


def load_models(
    path: Path | None,
    *,
    openai_api_key: str,
    openai_base_url: str,
    default_model: str,
    environ: Mapping[str, str],
) -> Models:
    """Reads the models file, or makes one configuration of the given settings without a file.

    `environ` is where the file's `api_key_env` names are looked up. Raises BadModelsFile.
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
    except KeyError as exc:
        raise BadModelsFile(f"{path}: MCP server {server.id}: {exc.args[0]} is not set") from None
    return server


_Price = Annotated[int, Field(ge=0, le=1_000_000_000_000)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Annotated[int, Field(lt=0, description="below 0, unique")]
    display_name: Annotated[str, Field(min_length=1, max_length=200)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    base_url: str | None = None
    api_key_env: str | None = None
    supports_images: bool | None = None
    premium: bool = False
    auto_eligible: bool = True
    input_price: _Price = 0
    output_price: _Price = 0
    cached_price: _Price | None = None
    reserve_tokens: Annotated[int, Field(gt=0, le=MOST_TOKENS)] = 4_000
    context_tokens: Annotated[int, Field(ge=1_000, le=MOST_CONTEXT_TOKENS)] = CONTEXT_TOKENS

    def config(
        self, key: str, base_url: str, environ: Mapping[str, str], path: Path
    ) -> ModelConfig:
        if self.api_key_env is not None:
            if not environ.get(self.api_key_env):
                raise BadModelsFile(f"{path}: model {self.id}: {self.api_key_env} is not set")
            key = environ[self.api_key_env]
        own = self.model_dump(exclude={"api_key_env", "base_url"})
        return ModelConfig(
            **own,
            base_url=base_url if self.base_url is None else self.base_url,
            api_key=SecretStr(key),
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    monthly_credit_micros: Annotated[int, Field(ge=0)] | None = None
    models: Annotated[list[_Entry], Field(min_length=1)]
    mcp_servers: list[McpServer] = Field(default_factory=list)
    tools: dict[Literal["now", "fetch_url"], Rule] = Field(default_factory=dict)
    subagents: list[Subagent] | None = None


def _read(path: Path) -> _File:
    try:
        found = _File.model_validate(yaml.safe_load(path.read_text()))
    except OSError as exc:
        raise BadModelsFile(f"{path} can't be read: {exc.strerror}") from None
    except yaml.YAMLError as exc:
        raise BadModelsFile(f"{path} is no YAML: {exc}") from None
    except ValidationError as exc:
        said = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}"
            for error in exc.errors(include_url=False, include_input=False)
        )
        raise BadModelsFile(f"{path}: {said}") from None
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
