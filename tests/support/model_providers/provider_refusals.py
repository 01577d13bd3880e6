"""What real providers say when they refuse an optional part of a request, each by its name."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.model_providers.scripted_model import Refused


@dataclass(frozen=True)
class Refusal:
    """The reply of a provider that does not take `part`, one of PARTS, and the feature it means."""

    part: str
    reply: Refused
    feature: str = ""


def has(part: str, asked: dict[str, Any]) -> bool:
    """Returns whether a request has the part."""
    messages, form = asked["messages"], asked.get("response_format") or {}
    functions = [tool["function"] for tool in asked.get("tools", ())]
    match part:
        case "json_schema" | "json_object":
            return bool(form.get("type") == part)
        case "strict":
            return "strict" in form.get("json_schema", {}) or any("strict" in f for f in functions)
        case "additionalProperties" | "format":
            return f'"{part}"' in json.dumps([f["parameters"] for f in functions])
        case "system" | "developer" | "tool":
            return any(message["role"] == part for message in messages)
        case "null content":
            return any(message["content"] is None for message in messages)
        case "empty content":
            return any(message["content"] == "" for message in messages)
        case "stream":
            return bool(asked["stream"])
        case "tools beside a format":
            return bool(form and functions)
        case "long ids":
            return any(not re.fullmatch("[a-zA-Z0-9]{9}", one) for one in _ids(messages))
        case "thoughts":
            return any("reasoning_content" in one for one in messages)
        case "calls without a thought":
            return any(
                one.get("tool_calls") and not one.get("reasoning_content") for one in messages
            )
        case "unsigned calls":
            called = [one["tool_calls"] for one in messages if one.get("tool_calls")]
            return any(not any("extra_content" in call for call in calls) for calls in called)
        case "members of calls":
            calls = [call for one in messages for call in one.get("tool_calls") or ()]
            return any(call.keys() - {"id", "type", "function"} for call in calls)
    return part in asked


def _ids(messages: list[dict[str, Any]]) -> list[str]:
    called = [call["id"] for one in messages for call in one.get("tool_calls") or ()]
    return [*called, *(one["tool_call_id"] for one in messages if one["role"] == "tool")]


def _error(status: int, message: str, /, **more: Any) -> Refused:
    return Refused(status, {"message": message, **more})


def _at(status: int, *loc: Any, told: Any = None) -> Refused:
    """A refusal of FastAPI; it repeats what it was given."""
    fault = {"type": "extra_forbidden", "loc": ["body", *loc], "input": told}
    return Refused(status, body={"detail": [{**fault, "msg": "Extra inputs are not permitted"}]})


_UPSTREAM = {"error": {"message": "Unsupported parameter: 'temperature'.", "param": "temperature"}}
_OPTIONS = {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "not permitted"}

REFUSALS: Mapping[str, Refusal] = {
    "DeepSeek, json_schema": Refusal(
        "json_schema",
        _error(400, "This response_format type is unavailable now", type="invalid_request_error"),
    ),
    "Azure, json_schema": Refusal(
        "json_schema",
        _error(
            400, "response_format value as json_schema is enabled only for api versions 2024-08"
        ),
    ),
    "LM Studio, json_object": Refusal(
        "json_object",
        _error(400, "'response_format.type' must be 'json_schema' or 'text'"),
        "response_format",
    ),
    "LiteLLM, response_format": Refusal(
        "response_format",
        _error(
            400,
            "litellm.UnsupportedParamsError: VertexAI doesn't support parameters: "
            "['response_format'], for model=m. To drop these, set `litellm.drop_params=True`",
            code="400",
        ),
    ),
    "llama.cpp, grammar": Refusal(
        "tools beside a format",
        _error(400, "Cannot use custom grammar constraints with tools."),
        "json_schema",
    ),
    "Gemini, tools beside a format": Refusal(
        "tools beside a format",
        Refused(
            400,
            body=[
                {
                    "error": {
                        "code": 400,
                        "message": "Function calling with a response mime type: "
                        "'application/json' is unsupported",
                        "status": "INVALID_ARGUMENT",
                    }
                }
            ],
        ),
        "json_schema",
    ),
    "OpenAI, temperature": Refusal(
        "temperature",
        _error(
            400,
            "Unsupported value: 'temperature' does not support 0 with this model. "
            "Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        ),
    ),
    "OpenRouter, temperature": Refusal(
        "temperature",
        _error(
            400,
            "Provider returned error",
            code=400,
            metadata={"raw": json.dumps(_UPSTREAM), "provider_name": "OpenAI"},
        ),
    ),
    "Anthropic, temperature": Refusal(
        "temperature", _error(400, "`temperature` is deprecated for this model.")
    ),
    "an error of status 200, temperature": Refusal(
        "temperature", _error(200, "temperature isn't supported by this model")
    ),
    "Azure, stream_options": Refusal(
        "stream_options",
        _error(400, "Unrecognized request argument supplied: stream_options", param=None),
    ),
    "Mistral, stream_options": Refusal(
        "stream_options",
        Refused(422, body={"object": "error", "message": {"detail": [_OPTIONS]}, "code": None}),
    ),
    "FastAPI, stream_options": Refusal(
        "stream_options", _at(422, "stream_options", told={"include_usage": True})
    ),
    "vLLM, stream_options": Refusal(
        "stream_options",
        Refused(
            400,
            body={
                "object": "error",
                "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), "
                "'msg': 'Extra inputs are not permitted', 'input': {'include_usage': True}}]",
                "type": "BadRequestError",
                "code": 400,
            },
        ),
    ),
    "Gemini, stream_options": Refusal(
        "stream_options",
        _error(
            400,
            'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.',
            status="INVALID_ARGUMENT",
        ),
    ),
    "words only, stream_options": Refusal(
        "stream_options", Refused(400, body=b"unknown field: stream_options")
    ),
    "o1-pro, stream": Refusal(
        "stream",
        _error(
            400,
            "Unsupported value: 'stream' does not support true with this model.",
            param="stream",
        ),
    ),
    "words only, streaming": Refusal("stream", _error(400, "Streaming is not supported.")),
    "Ollama, tools": Refusal(
        "tools",
        _error(400, "registry.ollama.ai/library/gemma:latest does not support tools"),
    ),
    "OpenRouter, tools": Refusal(
        "tools",
        _error(404, "No endpoints found that support tool use. To learn more, visit: …", code=404),
    ),
    "vLLM, tools": Refusal(
        "tools",
        _error(
            400,
            '"auto" tool choice requires --enable-auto-tool-choice and '
            "--tool-call-parser to be set",
        ),
    ),
    "llama.cpp, tools": Refusal(
        "tools", _error(500, "tools param requires --jinja flag", type="server_error", code=500)
    ),
    "Groq, tools": Refusal(
        "tools",
        _error(
            400, "`tool calling` is not supported with this model", type="invalid_request_error"
        ),
    ),
    "LiteLLM, tools": Refusal(
        "tools",
        _error(
            400, "litellm.UnsupportedParamsError: ollama does not support parameters: {'tools'}"
        ),
    ),
    "Gemma, system": Refusal("system", _error(400, "System role not supported"), "system_role"),
    "o1-mini, system": Refusal(
        "system",
        _error(
            400,
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            param="messages[0].role",
        ),
        "system_role",
    ),
    "Gemini, system": Refusal(
        "system", _error(400, "Developer instruction is not enabled for models/m"), "system_role"
    ),
    "a template, system": Refusal(
        "system",
        _error(500, "Conversation roles must alternate user/assistant/user/assistant/..."),
        "system_role",
    ),
    "Gemini, additionalProperties": Refusal(
        "additionalProperties",
        _error(
            400,
            'Invalid JSON payload received. Unknown name "additionalProperties" at '
            "'tools[0].function_declarations[0].parameters': Cannot find field.",
        ),
        "schema.additionalProperties",
    ),
    "Gemini, format": Refusal(
        "format",
        _error(
            400,
            "GenerateContentRequest.tools[0].function_declarations[5].parameters.properties"
            "[moment].format: only 'enum' and 'date' are supported for STRING type",
            param="tools[0].function.parameters.properties.moment.format",
        ),
        "schema.format",
    ),
    "Cerebras, strict": Refusal(
        "strict", _at(400, "response_format", "json_schema", "strict", told=False)
    ),
    "Anthropic, strict": Refusal(
        "strict", _error(400, "tools.0.function.strict: Extra inputs are not permitted")
    ),
    "Groq, null content": Refusal(
        "null content",
        _error(
            400,
            "'messages.2' : for 'role:assistant' the following must be satisfied"
            "[('messages.2.content' : value must be a string)]",
        ),
        "null_content",
    ),
    "FastAPI, null content": Refusal(
        "null content",
        Refused(
            422,
            body={
                "detail": [
                    {
                        "type": "string_type",
                        "loc": ["body", "messages", 2, "content"],
                        "msg": "Input should be a valid string",
                        "input": None,
                    }
                ]
            },
        ),
        "null_content",
    ),
    "Mistral, long ids": Refusal(
        "long ids",
        _error(
            400,
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
            code="3280",
        ),
        "call_ids",
    ),
    "vLLM, long ids": Refusal(
        "long ids",
        _error(400, "Tool call IDs should be alphanumeric strings with length 9!"),
        "call_ids",
    ),
    "OpenAI, long ids": Refusal(
        "long ids",
        _error(
            400,
            "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with "
            "maximum length 40, but got a string with length 45 instead.",
            param="messages[2].tool_calls[0].id",
        ),
        "call_ids",
    ),
    "Groq, thoughts": Refusal(
        "thoughts",
        _error(
            400,
            "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : "
            "property 'reasoning_content' is unsupported)]",
        ),
    ),
    "FastAPI, thoughts": Refusal(
        "thoughts", _at(422, "messages", 2, "assistant", "reasoning_content", told="Hm.")
    ),
    "DeepSeek, calls without a thought": Refusal(
        "calls without a thought",
        _error(400, "The `reasoning_content` in the thinking mode must be passed back to the API."),
        "call_without_thought",
    ),
    "DeepSeek's parser, calls without a thought": Refusal(
        "calls without a thought",
        _error(
            400,
            "Failed to deserialize the JSON body into the target type: messages[2]: missing field "
            "`reasoning_content` at line 1 column 950",
        ),
        "call_without_thought",
    ),
    "Moonshot, calls without a thought": Refusal(
        "calls without a thought",
        _error(
            400,
            "thinking is enabled but reasoning_content is missing in assistant tool call message "
            "at index 2",
        ),
        "call_without_thought",
    ),
    "Gemini, unsigned calls": Refusal(
        "unsigned calls",
        _error(
            400,
            "Function call is missing a thought_signature in functionCall parts. This is required "
            "for tools to work correctly.",
            status="INVALID_ARGUMENT",
        ),
        "call_without_signature",
    ),
    "FastAPI, members of calls": Refusal(
        "members of calls",
        _at(422, "messages", 2, "assistant", "tool_calls", 0, "extra_content", told={}),
        "call_members",
    ),
    "Gemini, members of calls": Refusal(
        "members of calls", _error(400, "Thought signature is not valid."), "call_members"
    ),
}
# a request that holds what no chat sends by itself
OTHERS: Mapping[str, Refusal] = {
    "OpenAI, max_tokens": Refusal(
        "max_tokens",
        _error(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        ),
    ),
    "Mistral, max_completion_tokens": Refusal(
        "max_completion_tokens", _at(422, "max_completion_tokens", told=100)
    ),
    "LocalAI, max_completion_tokens": Refusal(
        "max_completion_tokens", _error(400, "Unrecognized field: max_completion_tokens")
    ),
    "Anthropic, top_p": Refusal(
        "top_p", _error(400, "`temperature` and `top_p` cannot both be specified", param="top_p")
    ),
    "Groq, parallel_tool_calls": Refusal(
        "parallel_tool_calls", _error(400, "property 'parallel_tool_calls' is unsupported")
    ),
    "o3, parallel_tool_calls": Refusal(
        "parallel_tool_calls",
        _error(
            400,
            "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
            param="parallel_tool_calls",
        ),
    ),
    "DeepSeek, tool_choice": Refusal(
        "tool_choice", _error(400, "deepseek-reasoner does not support this tool_choice")
    ),
    "Azure, reasoning_effort": Refusal(
        "reasoning_effort",
        _error(400, "Unrecognized request argument supplied: reasoning_effort"),
    ),
    "Anthropic, thinking": Refusal(
        "temperature", _error(400, "`temperature` may only be set to 1 when thinking is enabled")
    ),
    "Moonshot, temperature": Refusal(
        "temperature", _error(400, "invalid temperature: only 1 is allowed for this model")
    ),
    "Qwen, temperature": Refusal("temperature", _error(400, "该模型不支持temperature参数")),
    "few words, temperature": Refusal("temperature", _error(400, "Bad temperature")),
    "a switch, tools": Refusal("tools", _error(400, "Function tools are disabled for this model")),
    "an endpoint, tools": Refusal("tools", _error(400, "This endpoint doesn't accept tools")),
    "few words, system": Refusal("system", _error(400, "Unsupported role: system"), "system_role"),
    "a list, system": Refusal(
        "system", _error(400, "messages[0].role must be one of: user, assistant"), "system_role"
    ),
    "few words, null content": Refusal(
        "null content", _error(400, "null content is not allowed"), "null_content"
    ),
    "Cohere, unknown field": Refusal(
        "parallel_tool_calls", _error(422, "invalid request: unknown field: parallel_tool_calls")
    ),
    "a text, tools": Refusal("tools", Refused(400, body={"error": "model does not support tools"})),
    "Together, tools": Refusal(
        "tools", _error(400, "This model is not compatible with function calling")
    ),
    "Cloudflare, tools": Refusal(
        "tools", Refused(400, body={"errors": [{"message": "tools is not available", "code": 7}]})
    ),
    "a pointer, stream_options": Refusal(
        "stream_options", _error(400, "bad request", param="$.stream_options.include_usage")
    ),
    "details, stream_options": Refusal(
        "stream_options",
        _error(400, "Validation failed", details=[{"field": "/stream_options", "issue": "extra"}]),
    ),
    "two at once": Refusal(
        "top_p", _error(400, "Unrecognized request arguments supplied: top_p, stream_options")
    ),
    "DeepInfra, null content": Refusal(
        "null content",
        _error(400, "None is not of type 'string' - 'messages.2.content'"),
        "null_content",
    ),
    "vLLM, seed": Refusal("seed", _error(400, "Extra inputs are not permitted: 'seed'")),
    "Mistral, developer": Refusal(
        "developer",
        _error(422, "Input should be 'system', 'user' or 'tool', not the role 'developer'"),
        "developer_role",
    ),
    "vLLM, roles": Refusal(
        "roles",
        _error(400, "After the optional system message, conversation roles must alternate"),
        "role_order",
    ),
    "Bedrock, empty content": Refusal(
        "empty content",
        _error(400, "messages: text content blocks must be non-empty"),
        "empty_content",
    ),
    "OpenAI, a bad schema": Refusal(
        "json_schema",
        _error(
            400,
            "Invalid schema for response_format 'Output': In context=(), 'oneOf' is not permitted.",
            param="response_format",
        ),
    ),
}

# errors that name no optional part, or name it for another reason
OTHER_ERRORS: Mapping[str, Refused] = {
    "a long prompt": _error(
        400,
        "This model's maximum context length is 8192 tokens, you requested 9000 (max_tokens). "
        "Please reduce the length of the messages.",
    ),
    "a limit that is too large": _error(400, "max_completion_tokens is too large: 9, at most 4."),
    "a rate limit": _error(429, "Rate limit reached for tools"),
    "a busy server": _error(503, "temperature sensor: overloaded, tools not available"),
    "a key": _error(401, "Invalid API key; stream_options"),
    "moderation": _error(400, "Flagged by moderation: 'temperature' is not allowed"),
    "an account": _error(402, "Insufficient balance; response_format"),
    "no such model": _error(404, "The model `m` does not exist"),
    "words": _error(400, "Bad request"),
    "one bad tool": _error(400, "Invalid 'tools[0].function.name': empty string"),
    "a result without its call": _error(
        400, "messages with role 'tool' must be a response to a message with 'tool_calls'"
    ),
    "an id of no call": _error(
        400,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: c",
    ),
    "a result of no call": _error(400, "unexpected `tool_use_id` found in `tool_result` blocks"),
    "many tools": _error(400, "Invalid 'tools': array too long, maximum length 128", param="tools"),
    "what was asked": Refused(
        422, body={"detail": [{"loc": ["body"], "msg": "bad", "input": {"temperature": 0}}]}
    ),
}
