"""The probe of a model: a few small calls that tell what it takes and which settings fit."""

import asyncio
import base64
import contextlib
import re
import struct
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import openai
import orjson
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import CallProgress, ResponseChunk
from chat_service.llm.config import ModelBundle, adapt
from chat_service.llm.errors import PROVIDER_FAULTS, ProviderFault
from chat_service.llm.features.feature_refusal import find_refused
from chat_service.llm.features.request_features import JSON_SCHEMA, RESPONSE_FORMAT, STREAM, TOOLS
from chat_service.llm.metering import Meter
from chat_service.llm.probe import limits as told_limits
from chat_service.llm.provider_cause import ProviderCause
from chat_service.llm.stream.error import list_errors
from chat_service.llm.stream.event_stream import BrokenStream
from chat_service.llm.text import read_objects
from shared.security.egress import NotPublic

MOST_CALLS: Final = 10  # and one look at the list of models
MOST_SECONDS: Final = 25.0
CALL_SECONDS: Final = 15.0
ANSWER_TOKENS: Final = 400  # some models think before their first word
MOST_ANSWER_BYTES: Final = 16 * 1024
MAX_LIST_BYTES: Final = 4 * 1024 * 1024  # of the list of models
_AT_ONCE: Final = 3
_NO_MODEL_ANSWERS: Final = 100_000_000  # tokens
_TOOL: Final = "echo"
# in no message of the probe, since a refusal that quotes a message teaches nothing
_SAY: Final = "Reply with the single word: ok"
_FEATURES: Final = (
    *("stream", "usage", "tools", "tool_results", "json_schema", "json_object", "images"),
    *("context_tokens", "max_tokens"),
)


class Outcome(StrEnum):
    WORKS = "works"
    REFUSED = "refused"
    NOT_TOLD = "not_told"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureResult:
    """What a probe found of a feature. `limit` is in tokens, 0 for any other feature."""

    feature: str
    outcome: Outcome
    detail: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What was found, the connection first, and what of the settings of the model fits.

    `leave_out` and `response_format` replace those of the settings, and `unset` is what else is
    set and was refused. None and 0 were not told.
    """

    results: Sequence[FeatureResult]
    reached: bool
    leave_out: frozenset[str] = frozenset()
    unset: frozenset[str] = frozenset()
    response_format: str | None = None
    supports_images: bool | None = None
    context_tokens: int = 0


class _Spent(Exception):
    """The calls of a probe were made."""


@dataclass(slots=True)
class ModelProbe:
    """One probe of a model. `meter` has what its calls used, also when it is cancelled.

    The model's settings apply, but for those that a probe finds: parts to leave out and the
    response format.
    """

    model: ModelBundle
    meter: Meter = field(default_factory=Meter)
    seconds: float = MOST_SECONDS
    _calls: int = 0
    _without: set[str] = field(default_factory=set)
    _refused: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _found: dict[str, FeatureResult] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def run(self) -> ProbeReport:
        """Returns what was found, after `seconds` at most. No fault of a provider is raised."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                if await self._connect():
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._try_tools())
                        group.create_task(self._try_formats())
                        group.create_task(self._try("images", [_image_message()]))
                        group.create_task(self._find_limits())
        return self._report()

    async def _connect(self) -> bool:
        answer = await self._ask([HumanMessage(_SAY)])
        if isinstance(answer, _FailedCall):
            said = _connection_words(answer.exc) or _words(answer.fault)
            self._note("connection", Outcome.FAILED, said, answer.fault.metadata)
            return False
        self._note("connection", Outcome.WORKS)
        told = answer.usage_metadata
        if told and told["input_tokens"] + told["output_tokens"]:
            self._note("usage", Outcome.WORKS)
        elif "stream_options" in self._refused:
            self._note("usage", Outcome.REFUSED, "", self._refused["stream_options"])
        if STREAM in self._refused:
            self._note("stream", Outcome.REFUSED, "", self._refused[STREAM])
        else:
            self._note("stream", Outcome.WORKS)
        return True

    async def _try_tools(self) -> None:
        asked = HumanMessage(f"Call {_TOOL} with the text: ok")
        answer = await self._try("tools", [asked], tested={TOOLS}, tools=[_tool()])
        if answer is None:
            return
        if not answer.tool_calls:
            self._note("tools", Outcome.NOT_TOLD, "it answered without a call")
            return
        done = [ToolMessage("ok", tool_call_id=str(one["id"])) for one in answer.tool_calls]
        await self._try("tool_results", [asked, answer, *done], tools=[_tool()])

    async def _try_formats(self) -> None:
        asked = HumanMessage('Reply with the JSON object {"word": "ok"} and nothing else.')
        for name, tested, form in (
            (JSON_SCHEMA, {JSON_SCHEMA}, _SCHEMA),
            ("json_object", {RESPONSE_FORMAT}, {"type": "json_object"}),
        ):
            answer = await self._try(
                name, [asked], tested=tested, response_format=form, temperature=0
            )
            if answer is not None and not any("word" in one for one in read_objects(answer.text)):
                self._note(name, Outcome.NOT_TOLD, "taken, but the answer was something else")

    async def _find_limits(self) -> None:
        limits = await self._list_limits()
        with contextlib.suppress(_Spent):
            answer = await self._ask([HumanMessage(_SAY)], max_tokens=_NO_MODEL_ANSWERS)
            if isinstance(answer, _FailedCall) and isinstance(answer.exc, openai.APIError):
                told = told_limits.read_error(answer.exc, asked=_NO_MODEL_ANSWERS)
                limits = {**told, **limits}
        for name, limit in limits.items():
            self._note(name, Outcome.WORKS, limit=limit)

    async def _list_limits(self) -> dict[str, int]:
        try:
            async with asyncio.timeout(CALL_SECONDS), self._gate:
                client = self.model.chat().root_async_client
                async with client.models.with_streaming_response.list() as raw:
                    body = await _read_whole(raw.iter_bytes(), MAX_LIST_BYTES)
                # Python's JSON of so much takes as long as many turns
                return await asyncio.to_thread(
                    lambda: told_limits.read_list(orjson.loads(body), self.model.config.model)
                )
        except (*PROVIDER_FAULTS, ValueError, RecursionError):
            return {}

    async def _try(
        self,
        feature: str,
        messages: Sequence[BaseMessage],
        *,
        tested: "set[str] | frozenset[str]" = frozenset(),
        **settings: Any,
    ) -> AIMessage | None:
        """Notes what becomes of a call. Returns its answer; None without one."""
        try:
            answer = await self._ask(messages, tested, **settings)
        except _Spent:
            self._note(feature, Outcome.NOT_TOLD, "the calls of a test were used up")
            return None
        if isinstance(answer, AIMessage):
            self._note(feature, Outcome.WORKS)
            return answer
        fault = answer.fault
        final = fault.refused and not (fault.account or fault.rate_limited or fault.transient)
        outcome = Outcome.REFUSED if final or answer.names_feature else Outcome.FAILED
        detail = "" if outcome is Outcome.REFUSED else _words(fault)
        self._note(feature, outcome, detail, fault.metadata)
        return None

    async def _ask(
        self,
        messages: Sequence[BaseMessage],
        tested: "set[str] | frozenset[str]" = frozenset(),
        **settings: Any,
    ) -> "AIMessage | _FailedCall":
        """Asks the model, again without each part that it refuses and that is not `tested`."""
        asked = {"max_tokens": ANSWER_TOKENS, **settings}
        prompt = [SystemMessage("Be brief."), *messages]
        while True:
            async with self._gate:
                answer = await self._call(prompt, asked)
            if isinstance(answer, AIMessage):
                return answer
            if answer.feature:
                self._refused.setdefault(answer.feature, answer.fault.metadata)
            if answer.feature in tested:
                return replace(answer, names_feature=True)
            if not answer.feature or answer.tried_without:
                return answer
            self._without.add(answer.feature)

    async def _call(
        self, prompt: Sequence[BaseMessage], asked: Mapping[str, Any]
    ) -> "AIMessage | _FailedCall":
        if self._calls >= MOST_CALLS:
            raise _Spent
        self._calls += 1
        progress = CallProgress()
        call = self.meter.start(self.model.config, progress)
        without = frozenset(self._without)
        by_hand = replace(self.model.config.settings, leave_out=frozenset(), response_format=None)
        given = {name: value for name, value in asked.items() if name not in by_hand.fixed()}
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await self.model.chat().answer(
                    prompt,
                    progress=progress,
                    on_chunk=_Bound(progress).feed,
                    adapt=lambda request: adapt(by_hand, without, request),
                    **given,
                )
        except PROVIDER_FAULTS as exc:
            found = (
                find_refused(exc, progress.request)
                if isinstance(exc, openai.APIError) and progress.request and not progress.streamed
                else None
            )
            fault = record_failure(self.meter, call, exc)
            feature = found.feature if found else ""
            return _FailedCall(exc, fault, feature, tried_without=feature in without)
        self.meter.record(call, answer)
        return answer

    def _note(
        self,
        feature: str,
        outcome: Outcome,
        detail: str = "",
        metadata: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> None:
        self._found[feature] = FeatureResult(
            feature=feature,
            outcome=outcome,
            detail=detail,
            metadata=metadata or {},
            limit=limit,
        )

    def _report(self) -> ProbeReport:
        if "connection" not in self._found:
            self._note("connection", Outcome.FAILED, "the model did not answer in time")
        results = [self._found["connection"]]
        reached = results[0].outcome is Outcome.WORKS
        results += [
            self._found.get(name, FeatureResult(feature=name, outcome=Outcome.NOT_TOLD))
            for name in _FEATURES
        ]
        known = {one.feature for one in results} | {RESPONSE_FORMAT}
        results += [
            FeatureResult(feature=name, outcome=Outcome.REFUSED, metadata=told)
            for name, told in sorted(self._refused.items())
            if name not in known
        ]
        if not reached:
            return ProbeReport(results=results, reached=False)
        return ProbeReport(
            results=results,
            reached=True,
            leave_out=self._leave_out(),
            unset=frozenset(self._refused),
            response_format=self._response_format(),
            supports_images=self._reads_images(),
            context_tokens=self._limit("context_tokens"),
        )

    def _leave_out(self) -> frozenset[str]:
        """Returns what is left out by hand, without what works, and with what was refused."""
        works = {name for name, one in self._found.items() if one.outcome is Outcome.WORKS}
        works |= {"stream_options"} if "usage" in works else set()
        kept = self.model.config.settings.leave_out - works
        return kept | (self._refused.keys() - {JSON_SCHEMA, RESPONSE_FORMAT})

    def _response_format(self) -> str | None:
        if not self._is(JSON_SCHEMA, Outcome.REFUSED):
            works = self._is(JSON_SCHEMA, Outcome.WORKS)
            return None if works else self.model.config.settings.response_format
        return "none" if self._is("json_object", Outcome.REFUSED) else "json_object"

    def _reads_images(self) -> bool | None:
        if self._is("images", Outcome.WORKS):
            return True
        return False if self._is("images", Outcome.REFUSED) else None

    def _limit(self, name: str) -> int:
        return self._found[name].limit if name in self._found else 0

    def _is(self, feature: str, outcome: Outcome) -> bool:
        return feature in self._found and self._found[feature].outcome is outcome


@dataclass(frozen=True, slots=True)
class _FailedCall:
    """A failed call; `feature` is the part of the request that the provider refused, if named."""

    exc: BaseException
    fault: ProviderFault
    feature: str = ""
    tried_without: bool = False
    names_feature: bool = False


@dataclass(slots=True)
class _Bound:
    """Ends an answer that is longer than any that a probe asks for."""

    progress: CallProgress

    def feed(self, _: ResponseChunk) -> None:
        if self.progress.bytes_written > MOST_ANSWER_BYTES:
            raise BrokenStream


_OTHER_SERVER: Final = (
    "the server at this address does not speak an OpenAI-compatible protocol; the address "
    "usually ends in /v1"
)
# no part of an address
_MODEL: Final = re.compile(r"(?<![\w/.-])(?:model|deployment)s?(?![\w/.-]*/)(?!\w)", re.I)
_SCHEMA: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "Output",
        "schema": {
            "type": "object",
            "properties": {"word": {"type": "string"}},
            "required": ["word"],
            "additionalProperties": False,
        },
        "strict": False,
    },
}


def _tool() -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 100}},
        "required": ["text"],
        "additionalProperties": False,
    }
    function = {"name": _TOOL, "description": "Repeats a text.", "parameters": parameters}
    return {"type": "function", "function": function}


def _words(fault: ProviderFault) -> str:
    """Returns our words for a failure, without what the metadata has."""
    return replace(fault, cause=ProviderCause()).refusal(0).message


def _connection_words(exc: BaseException) -> str:
    """Returns our words for an address that is no model's; empty for any other failure."""
    if isinstance(exc.__cause__, NotPublic):
        return "the model's address is not on the open internet"
    return _OTHER_SERVER if _is_other_server(exc) else ""


def _is_other_server(exc: BaseException) -> bool:
    """Returns whether what answered is none of the providers that are known here."""
    match exc:
        case BrokenStream():
            return True
        case openai.APIStatusError(status_code=404 | 405 | 415):
            body = exc.body
            named = isinstance(body, Mapping) and set(body) - {"detail", "message", "status"}
            return not (named or _tells_model(body))
        case openai.APIConnectionError():
            return exc.__cause__ is None and not isinstance(exc, openai.APITimeoutError)
    return False


def _tells_model(body: object) -> bool:
    """Returns whether an error's words are about a model, whatever members it has."""
    words = "\n".join(str(one.get("message", "")) for one in list_errors(body))
    return not words.lstrip().startswith("<") and _MODEL.search(words) is not None


def _image_message() -> HumanMessage:
    url = f"data:image/png;base64,{base64.b64encode(_png(32)).decode()}"
    return HumanMessage(
        [{"type": "text", "text": _SAY}, {"type": "image_url", "image_url": {"url": url}}]
    )


async def _read_whole(pieces: AsyncIterator[bytes], max_bytes: int) -> bytes:
    """Raises BrokenStream for more bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > max_bytes:
            raise BrokenStream
    return bytes(body)


def _png(size: int) -> bytes:
    """Returns a white square, since some providers refuse an image of one pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + end

    head = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff" * size) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
