"""What an operator sets for the requests to a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from chat_service.llm.features.request_features import JSON_SCHEMA, RESPONSE_FORMAT, STRICT, TOOLS

ResponseFormat = Literal["json_schema", "json_object", "none"]
# members of a request that are Rota's own
RESERVED: Final = frozenset(
    {"model", "messages", "stream", "stream_options", TOOLS, RESPONSE_FORMAT, "n"}
)
_LIMITS: Final = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings:
    """None and what is empty change nothing. What is set is sent, whatever a provider refuses.

    `response_format` is the most that is asked for. `tool_choice` and `parallel_tool_calls` are
    sent with tools. `max_tokens` is the most of any answer. `leave_out` are features that no
    request has.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    strict: bool | None = None
    tool_choice: Literal["auto"] | None = None
    parallel_tool_calls: bool | None = None
    leave_out: frozenset[str] = frozenset()
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a request with what is set."""
        found = {**request, **self._plain()}
        if request.get(TOOLS):
            with_tools = {
                "tool_choice": self.tool_choice,
                "parallel_tool_calls": self.parallel_tool_calls,
            }
            found |= {name: value for name, value in with_tools.items() if value is not None}
        if self.max_tokens is not None:
            asked = [request[name] for name in _LIMITS if name in request]
            found[_LIMITS[0]] = min([self.max_tokens, *asked])
        if self.strict is not None:
            found |= _with_strict(found, self.strict)
        return {**found, **self.extra_body}

    def without(self) -> frozenset[str]:
        """Returns the features that are left out by hand."""
        formats: Mapping[str | None, frozenset[str]] = {
            "json_object": frozenset({JSON_SCHEMA}),
            "none": frozenset({JSON_SCHEMA, RESPONSE_FORMAT}),
        }
        return self.leave_out | formats.get(self.response_format, frozenset())

    def fixed(self) -> frozenset[str]:
        """Returns the features that no refusal leaves out."""
        found = {*self._plain(), *self.extra_body}
        for name in ("tool_choice", "parallel_tool_calls", STRICT):
            found |= {name} if getattr(self, name) is not None else set()
        found |= set(_LIMITS) if self.max_tokens is not None else set()
        if self.response_format is not None:
            found |= {JSON_SCHEMA, RESPONSE_FORMAT}
        return frozenset(found)

    def _plain(self) -> dict[str, Any]:
        names = ("temperature", "top_p", "reasoning_effort")
        told = {name: getattr(self, name) for name in names}
        return {name: value for name, value in told.items() if value is not None}


def _with_strict(request: Mapping[str, Any], strict: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    form = request.get(RESPONSE_FORMAT)
    if isinstance(form, Mapping) and isinstance(form.get(JSON_SCHEMA), Mapping):
        found[RESPONSE_FORMAT] = {**form, JSON_SCHEMA: {**form[JSON_SCHEMA], STRICT: strict}}
    if request.get(TOOLS):
        found[TOOLS] = [
            {**tool, "function": {**tool["function"], STRICT: strict}} for tool in request[TOOLS]
        ]
    return found
