"""A configured model: its price, its limits and the client that calls it."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from typing import Any, Final
from uuid import uuid4

import httpx2
import openai
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import SecretStr

from chat_service.llm import custom_endpoint
from chat_service.llm.chat_model import CallProgress, ResponseChunk, StreamingChat
from chat_service.llm.errors import ContextExceeded
from chat_service.llm.features.feature_refusal import find_refused
from chat_service.llm.features.model_features import ModelFeatures, RunFeatures
from chat_service.llm.features.request_features import (
    JSON_SCHEMA,
    RESPONSE_FORMAT,
    TOOLS,
    adapt_request,
)
from chat_service.llm.features.request_settings import RequestSettings
from chat_service.llm.usage import ModelUsage, estimate_text_tokens, normalize_usage
from chat_service.prompts.examples import is_example
from chat_service.prompts.load import load_prompt
from shared.http.transport import HttpTransport
from shared.json import compact_json
from shared.security.body_decoder import ACCEPTED
from shared.security.egress import bound_responses
from shared.telemetry import logs, metrics

log = logs.logger(__name__)

# of one call; what was learnt from them spares later calls
MOST_REFUSALS: Final = 6
DEFAULT_ID: Final = -1
# the default context window of a model
CONTEXT_TOKENS: Final = 128_000
# up to this context window a model gets the short prompts, and the beginnings of descriptions
SMALL_CONTEXT: Final = 8_192
# the longest silence within an answer
IDLE_SECONDS: Final = 60.0
# settings that the SDK would read from the environment for a person's own model
_NOT_OURS: Final = {"openai_proxy": "", "organization": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A configured model. Prices are in millionths of a dollar per 1M tokens."""

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
    free: bool = False  # its prices of 0 are meant
    reserve_tokens: int = 4_000
    context_tokens: int = CONTEXT_TOKENS  # what it can read and write in one call
    revision: int = 0  # of a person's own
    settings: RequestSettings = field(default_factory=RequestSettings, hash=False)

    @property
    def is_small(self) -> bool:
        """Returns whether the context window has room for the short prompts only."""
        return self.context_tokens <= SMALL_CONTEXT

    @property
    def is_priced(self) -> bool:
        """Returns whether it is known what a call costs."""
        return self.free or self.input_price > 0 or self.output_price > 0

    @property
    def is_custom(self) -> bool:
        """Returns whether the model is a person's own, not one of the models file."""
        return self.id > 0

    @property
    def secrets(self) -> tuple[str, ...]:
        """Returns the key and the values of headers, the longest first."""
        found = {self.api_key.get_secret_value(), *self.settings.extra_headers.values()}
        return tuple(sorted(found - {""}, key=len, reverse=True))

    def cost_micros(self, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        cached_price = self.input_price if self.cached_price is None else self.cached_price
        fresh = max(input_tokens - cached_tokens, 0)
        total = (
            fresh * self.input_price
            + cached_tokens * cached_price
            + output_tokens * self.output_price
        )
        return -(-total // 1_000_000)

    def usage_of(self, message: AIMessage, call: str = "") -> ModelUsage:
        """Returns the usage that the provider reported, and normalizes it in the message."""
        message.usage_metadata = usage = normalize_usage(message.usage_metadata or {})
        tokens_in, tokens_out = usage["input_tokens"], usage["output_tokens"]
        cached = usage["input_token_details"]["cache_read"]
        return ModelUsage(
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
    features: ModelFeatures = field(default_factory=RunFeatures, compare=False)

    def chat(self) -> StreamingChat:
        """Returns the client of the model. A model of the service has one client for all calls."""
        config, key = self.config, self.config.api_key.get_secret_value()
        if self.client is None:
            headers = tuple(config.settings.extra_headers.items())
            return _service_chat(config.model, config.base_url, key, headers)
        own: dict[str, Any] = {
            "http_async_client": self.client,
            "http_client": _unused_client(),
            **_NOT_OURS,
        }
        if config.settings.extra_headers:
            own["default_headers"] = dict(config.settings.extra_headers)
        return _chat(config.model, config.base_url, key, **own)

    def left_out(self) -> frozenset[str]:
        """Returns the features that requests to the model do without, as far as is known."""
        by_hand = self.config.settings
        return by_hand.without() | (self.features.left_out() - by_hand.fixed())

    @property
    def takes_schema(self) -> bool:
        """Whether a response format tells the model a schema. If not, the prompt does."""
        return not self.left_out() & {JSON_SCHEMA, RESPONSE_FORMAT}

    async def answer(
        self,
        messages: Sequence[BaseMessage],
        *,
        progress: CallProgress,
        on_chunk: Callable[[ResponseChunk], None] = lambda _: None,
        **settings: Any,
    ) -> AIMessage:
        """Returns the model's answer, as `StreamingChat.answer` does.

        A request whose optional feature is refused is made again without it, MOST_REFUSALS times
        at most. If that helps, later requests to the model leave the feature out too. What is set
        by hand is sent, refused or not. Raises ContextExceeded for a request whose text is larger
        than the context by estimate; it is not sent.
        """
        by_hand = self.config.settings
        fixed = by_hand.fixed()
        without = self.left_out()
        learnt: str | None = None
        for number in range(1 + MOST_REFUSALS):
            change = partial(self._adapt, without)
            sent = _without_examples(messages) if _lacks_tools(without, settings) else messages
            try:
                answer = await self.chat().answer(
                    sent, progress=progress, on_chunk=on_chunk, adapt=change, **settings
                )
            except openai.APIError as exc:
                found = None if progress.streamed else find_refused(exc, progress.request, fixed)
                if found is None or found.feature in without:
                    raise
                await self._learn(learnt)
                if number == MOST_REFUSALS:
                    raise
                log.info("model_feature_refused", model=self.config.id, feature=found.feature)
                metrics.count("rota.model.refused_features", feature=_family(found.feature))
                without |= {found.feature}
                learnt = found.feature if found.lasting else None
            else:
                await self._learn(learnt)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _adapt(self, without: frozenset[str], request: dict[str, Any]) -> dict[str, Any]:
        adapted = adapt(self.config.settings, without, request)
        tokens, most = estimate_text_tokens(adapted), self.config.context_tokens
        if tokens > most:
            raise ContextExceeded(tokens=tokens, context_tokens=most)
        return adapted

    async def _learn(self, feature: str | None) -> None:
        if feature is not None:
            await self.features.leave_out(feature)


def adapt(
    by_hand: RequestSettings, without: frozenset[str], request: dict[str, Any]
) -> dict[str, Any]:
    """Returns a request with what is set by hand, and without some features."""
    applied = by_hand.apply(request)
    if without & {JSON_SCHEMA, RESPONSE_FORMAT}:
        applied = _with_schema_told(applied)
    return adapt_request(applied, without, no_tools=load_prompt("no_tools"))


def _with_schema_told(request: dict[str, Any]) -> dict[str, Any]:
    """Returns a request whose prompt says the schema that its response format has."""
    form = request.get(RESPONSE_FORMAT)
    schema = form.get(JSON_SCHEMA, {}).get("schema") if isinstance(form, dict) else None
    first, *rest = request["messages"]
    if schema is None or not isinstance(first["content"], str):
        return request
    told = load_prompt("schema", schema=compact_json.dump(schema))
    return {**request, "messages": [{**first, "content": f"{first['content']}\n\n{told}"}, *rest]}


def _lacks_tools(without: frozenset[str], settings: Mapping[str, Any]) -> bool:
    """Returns whether the tools of a call's settings are not sent."""
    return TOOLS in without and bool(settings.get("tools"))


def _without_examples(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    # calls in examples would be told as text, and copied
    return [message for message in messages if not is_example(message)]


def _family(feature: str) -> str:
    """Returns a feature without its keyword, for a metric has few values."""
    return feature.split(".")[0]


def _chat(model: str, base_url: str, key: str, **more: Any) -> StreamingChat:
    return StreamingChat(
        model=model,
        base_url=base_url or None,
        # keyless servers still want the header
        api_key=SecretStr(key or "none"),
        max_retries=0,
        timeout=IDLE_SECONDS,
        streaming=True,
        stream_usage=True,
        stream_chunk_timeout=None,
        use_responses_api=False,
        **more,
    )


@cache
def _unused_client() -> httpx2.Client:
    # LangChain would make one for each address, which reads the machine's certificates
    return httpx2.Client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False)


# creating a client takes as long as many tokens, and it holds no state of a call
@lru_cache(maxsize=64)
def _service_chat(
    model: str, base_url: str, key: str, headers: tuple[tuple[str, str], ...] = ()
) -> StreamingChat:
    sent = {**dict(headers), "accept-encoding": ACCEPTED}
    chat = _chat(model, base_url, key, default_headers=sent)
    # LangChain makes the HTTP client, from the operator's settings.
    http: httpx2.AsyncClient = chat.root_async_client._client
    # a redirect would send the prompt, or a key, to an address that nobody has set
    http.follow_redirects = False
    http.event_hooks = {"response": [bound_responses(custom_endpoint.MAX_BYTES)]}
    # LangChain may have one client for several models. Proxies have transports of their own.
    if not isinstance(http._transport, HttpTransport):
        http._transport = HttpTransport()
    return chat
