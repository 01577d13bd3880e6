"""What real providers send: how they think, call tools, fail and end. Each habit has a name."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.support.model_providers.scripted_model import DONE, End, Refused, Reply, ends, says

# a model's thought and its answer → what the provider sends
Thinking = Callable[[str, str], Reply]
# an answer → what the provider sends
Ending = Callable[[str], Reply]


def _tagged(opening: str, closing: str, before: str = "") -> Thinking:
    return lambda thought, answer: [says(f"{opening}{thought}{closing}{before}{answer}"), ends()]


def _in_field(**fields: Any) -> Thinking:
    """`T` stands for the thought."""

    def reply(thought: str, answer: str) -> Reply:
        filled = {name: _fill(value, thought) for name, value in fields.items()}
        return [says("", **filled), says(answer), ends()]

    return reply


def _fill(value: Any, thought: str) -> Any:
    match value:
        case "T":
            return thought
        case list():
            return [_fill(item, thought) for item in value]
        case dict():
            return {key: _fill(item, thought) for key, item in value.items()}
    return value


def _by_character(thinking: Thinking) -> Thinking:
    def reply(thought: str, answer: str) -> Reply:
        first, *rest = thinking(thought, answer)
        content = first["choices"][0]["delta"]["content"]
        return [*map(says, content), *rest]

    return reply


def _blocks(*blocks: Any) -> Thinking:
    """A content of parts; the answer follows as a text."""
    return lambda thought, answer: [says(_fill([*blocks], thought)), says(answer), ends()]


THOUGHTS: Mapping[str, Thinking] = {
    "think": _tagged("<think>", "</think>"),
    "think, on lines of their own": _tagged("\n<think>\n", "\n</think>\n\n"),
    "think, a character at a time": _by_character(_tagged("<think>", "</think>\n")),
    "thinking": _tagged("<thinking>", "</thinking>"),
    "thought": _tagged("<thought>", "</thought>\n"),
    "reasoning": _tagged("<reasoning>", "</reasoning>"),
    "capitals and attributes": _tagged('<Think lang="en">', "</THINK >"),
    "a prefix": _tagged("<seed:think>", "</seed:think>"),
    "begin_of_thought": _tagged(
        "<|begin_of_thought|>", "<|end_of_thought|>", "\n<|begin_of_solution|>\n"
    ),
    "START_THINKING": _tagged("<|START_THINKING|>", "<|END_THINKING|>"),
    "brackets": _tagged("[THINK]", "[/THINK]"),
    "triangles": _tagged("◁think▷", "◁/think▷"),
    "channels": _tagged(
        "<|channel|>analysis<|message|>",
        "<|end|>",
        "<|start|>assistant<|channel|>final<|message|>",
    ),
    "several thoughts": _tagged("<think>", "</think>\n<think>Or not?</think>"),
    "only the closing tag": _tagged("", "</think>"),
    "only the closing tag, on its line": _tagged("", "\n</think>\n\n"),
    "only the closing tag, a character at a time": _by_character(_tagged("", "\n</think>\n")),
    "a tag within the thought": _tagged("<think>I may not write `</think>`. ", "</think>"),
    "an empty thought": _tagged("<think>\n\n</think>\n\n<think>", "</think>"),
    "reasoning_content": _in_field(reasoning_content="T"),
    "reasoning_content, and a closing tag": lambda thought, answer: [
        says("", reasoning_content=thought),
        says(f"</think>\n\n{answer}"),
        ends(),
    ],
    "reasoning, a field": _in_field(reasoning="T"),
    "reasoning and its details": _in_field(
        reasoning="T", reasoning_details=[{"type": "reasoning.text", "text": "T"}]
    ),
    "reasoning_details": _in_field(
        reasoning_details=[{"type": "reasoning.summary", "summary": "T"}]
    ),
    "thinking_blocks": _in_field(thinking_blocks=[{"type": "thinking", "thinking": "T"}]),
    "a thinking block": _blocks({"type": "thinking", "thinking": "T", "signature": "x"}),
    "a thinking block of texts": _blocks(
        {"type": "thinking", "thinking": [{"type": "text", "text": "T"}]}
    ),
    "a reasoning block": _blocks({"type": "reasoning", "summary": [{"text": "T"}]}),
    "a marked part": _blocks({"text": "T", "thought": True}),
    "a marked delta": lambda thought, answer: [
        says(thought, extra_content={"google": {"thought": True}}),
        says(answer),
        ends(),
    ],
}

_BUSY = {"message": "The engine is busy.", "type": "server_error", "code": 503}
_WORDS = "The engine is busy."


def _fails(*pieces: Any) -> Ending:
    """Fails in the middle of the answer."""
    return lambda answer: [says(answer), *pieces, DONE]


ERRORS: Mapping[str, Ending] = {
    "error": _fails({"error": _BUSY}),
    "error, a text": _fails({"error": _WORDS}),
    "error, in a list": _fails('[{"error": {"code": 503, "message": "busy"}}]'),
    "error, in the choice": _fails({"choices": [{"index": 0, "delta": {}, "error": _BUSY}]}),
    "error, beside a finish reason": _fails({**ends("stop"), "error": _BUSY}),
    "errors": _fails({"errors": [{"message": _WORDS}]}),
    "object": _fails({"object": "error", "message": _WORDS, "code": 50301}),
    "type": _fails({"type": "error"}),
    "type, and an error": _fails(
        {"type": "error", "error": {"type": "overloaded_error", "message": _WORDS}}
    ),
    "type of error": _fails({"type": "api_error", "message": _WORDS}),
    "detail": _fails({"detail": _WORDS}),
    "details": _fails({"detail": [{"loc": ["body", "n"], "msg": _WORDS}]}),
    "code and message": _fails({"code": "engine_busy", "message": _WORDS}),
    "status and message": _fails({"status": 503, "message": _WORDS}),
    "base_resp": _fails({"base_resp": {"status_code": 1002, "status_msg": _WORDS}}),
    "event": _fails(b'event: error\r\ndata: {"reason": "busy"}\r\n\r\n'),
    "event of words": _fails(b"event: error\ndata: The engine is busy.\n\n"),
    "line": _fails(b'error: {"code": 503, "message": "busy"}\n\n'),
    "line of JSON": _fails(b'{"error": {"message": "busy"}}\n'),
    "finish reason error": lambda answer: [says(answer), ends("error"), DONE],
    "finish reason abort": lambda answer: [says(answer), ends("abort"), DONE],
    "finish reason of the system": lambda answer: [
        says(answer),
        ends("insufficient_system_resource"),
        DONE,
    ],
    "a body that is an error": lambda _: [Refused(200, _BUSY)],
    "a body that is a rate limit": lambda _: [Refused(200, {"code": 429, "message": "Wait."})],
    "a body that is words": lambda _: [Refused(200, body=b"upstream connect error")],
    "words of a failure": _fails("Error: the engine is busy"),
    "JSON that is cut": _fails(
        '{"choices": [{"index": 0, "delta": {"content": "', says("!"), ends()
    ),
    "an error in a text": _fails({"error": '{"error": {"code": 503, "message": "busy"}}'}),
    "no end": lambda answer: [says(answer)],
    "a break": lambda answer: [says(answer), End.BROKEN],
}


def _silent(reason: str = "stop") -> dict[str, Any]:
    """The end of an answer, without its usage."""
    return {**ends(reason), "usage": None}


def _whole(answer: str, **more: Any) -> dict[str, Any]:
    """An answer that is not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, **more}
    return {"object": "chat.completion", "choices": [choice], "usage": ends()["usage"]}


def _wire(answer: str, *, end: str = "\n", before: bytes = b"") -> bytes:
    """The bytes of a plain event stream."""
    events = [f"data: {json.dumps(piece)}{end}{end}" for piece in (says(answer), ends())]
    return before + f"{''.join(events)}data: {DONE}{end}{end}".encode()


def _in_lines(chunk: dict[str, Any]) -> bytes:
    """An event of several lines of data."""
    lines = json.dumps(chunk, indent=1).splitlines()
    return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"


def _with_usage(*usages: Any, where: str = "chunk") -> Ending:
    """Tells the usage with the answer, and again with its end."""

    def told(piece: dict[str, Any], usage: Any) -> dict[str, Any]:
        match where:
            case "choice":
                return {**piece, "choices": [{**piece["choices"][0], "usage": usage}]}
            case "x_groq":
                return {**piece, "x_groq": {"id": "r", "usage": usage}}
        return {**piece, "usage": usage}

    def reply(answer: str) -> Reply:
        pieces = [says(answer), *[_silent() for _ in usages[1:]]]
        return [*(told(piece, usage) for piece, usage in zip(pieces, usages, strict=True)), DONE]

    return reply


_COUNTS: Final = ends()["usage"]
_FEWER: Final = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
_FILTER: Final = {"index": 0, "finish_reason": None, "content_filter_offsets": {"start_offset": 0}}

# an answer whose bytes are odd; each tells the usage of `ends`
BYTES: Mapping[str, Ending] = {
    "a body that is an answer": lambda answer: [Refused(200, body=_whole(answer))],
    "a body that is an answer, in lines": lambda answer: [
        Refused(200, body=json.dumps(_whole(answer), indent=2).encode())
    ],
    "a body with an end": lambda answer: [Refused(200, body=_whole(answer, finish_reason="stop"))],
    "an event that is an answer": lambda answer: [_whole(answer, finish_reason="stop"), DONE],
    "lines of JSON": lambda answer: [
        b"".join(json.dumps(piece).encode() + b"\n" for piece in (says(answer), ends()))
    ],
    "a byte order mark": lambda answer: [_wire(answer, before=b"\xef\xbb\xbf")],
    "CRLF": lambda answer: [_wire(answer, end="\r\n")],
    "CR": lambda answer: [_wire(answer, end="\r")],
    "events of several lines": lambda answer: [_in_lines(says(answer)), _in_lines(ends()), DONE],
    "pings": lambda answer: [
        "ping",
        says(answer),
        "",
        "keep-alive",
        ": waits",
        "null",
        '"ping"',
        ends(),
        "ping",
        DONE,
    ],
    "pings of JSON": lambda answer: [{}, {"type": "ping"}, says(answer), {"type": "ping"}, ends()],
    "comments": lambda answer: [b": OPENROUTER PROCESSING\n\n", b":\n", says(answer), ends(), DONE],
    "named events": lambda answer: [
        b"event: ping\ndata: {}\n\nid: 1\nretry: 9\nevent: completion.chunk\n",
        says(answer),
        b"event: done\n",
        ends(),
    ],
    "halves of characters": lambda answer: [*map(says, _halves(answer)), ends(), DONE],
    "a filter beside the answer": lambda answer: [
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"choices": [_FILTER]},
        says(answer),
        {"choices": [{**_FILTER, "delta": None}]},
        ends(),
        {"choices": [_FILTER]},
        DONE,
    ],
    "no choices": lambda answer: [{"choices": None}, {"choices": [None]}, says(answer), ends()],
    "running totals": _with_usage(_FEWER, _COUNTS),
    "the same usage twice": _with_usage(_COUNTS, _COUNTS),
    "a usage in the choice": _with_usage(None, _COUNTS, where="choice"),
    "a usage in x_groq": _with_usage(None, _COUNTS, where="x_groq"),
    "a usage after the end": lambda answer: [
        says(answer),
        _silent(),
        {"choices": [], "usage": _COUNTS},
        DONE,
    ],
    "a usage after DONE": lambda answer: [
        says(answer),
        _silent(),
        DONE,
        {"choices": [], "usage": _COUNTS},
    ],
}


def _halves(text: str) -> list[str]:
    """A text as UTF-16 units, each in a piece of its own."""
    units = text.encode("utf-16-le")
    return [units[n : n + 2].decode("utf-16-le", "surrogatepass") for n in range(0, len(units), 2)]


# an answer that is whole, however its stream ends
ENDS: Mapping[str, Ending] = {
    "finish reason, then a break": lambda answer: [says(answer), _silent(), End.BROKEN],
    "finish reason, then silence": lambda answer: [says(answer), ends(), End.OPEN],
    "finish reason, then an error": lambda answer: [says(answer), ends(), {"error": _BUSY}, DONE],
    "finish reason, then nonsense": lambda answer: [says(answer), ends(), "nonsense"],
    "no DONE": lambda answer: [says(answer), _silent()],
    "no finish reason": lambda answer: [says(answer), DONE],
    "finish reason with the text": lambda answer: [
        {**ends(), "choices": [{**says(answer)["choices"][0], "finish_reason": "stop"}]},
        DONE,
    ],
    "end_turn": lambda answer: [says(answer), ends("end_turn"), DONE],
    "STOP": lambda answer: [says(answer), ends("STOP"), DONE],
    "eos": lambda answer: [says(answer), ends("eos"), DONE],
}

# the name and the arguments of a tool → the delta of a call
Calling = Callable[[str, str], Mapping[str, Any]]


def _with(
    arguments: Callable[[str], Any] = lambda text: text,
    name: Callable[[str], str] = lambda name: name,
) -> Calling:
    def delta(tool: str, given: str) -> Mapping[str, Any]:
        function = {"name": name(tool), "arguments": arguments(given)}
        return {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": function}]}

    return delta


# a call that is understood: repaired, by another name, or of another form
CALLS: Mapping[str, Calling] = {
    "an empty object first": _with(lambda text: "{}" + text),
    "doubled": _with(lambda text: text * 2),
    "fenced": _with(lambda text: f"```json\n{text}\n```"),
    "a string": _with(json.dumps),
    "a tag after it": _with(lambda text: f"{text}</tool_call>"),
    "a token after it": _with(lambda text: f"{text}<|call|>"),
    "a comma after it": _with(lambda text: f"{text},"),
    "a comma inside": _with(lambda text: f"{text[:-1]},}}"),
    "a comment": _with(lambda text: f"{text[:-1]} // whole\n}}"),
    "an object": _with(json.loads),
    "functions.": _with(name=lambda name: f"functions.{name}"),
    "default_api:": _with(name=lambda name: f"default_api:{name}"),
    "a channel after the name": _with(name=lambda name: f"{name}<|channel|>commentary"),
    "capitals and spaces": _with(name=lambda name: f" {name.title()} "),
    "function_call": lambda tool, text: {"function_call": {"name": tool, "arguments": text}},
    "flat": lambda tool, text: {"tool_calls": [{"name": tool, "arguments": text, "id": "c"}]},
    "null before it": lambda tool, text: {
        "tool_calls": [None, {"index": 0, "function": {"name": tool, "arguments": text}}]
    },
}

# calls that are refused in words, and never carried out
NO_CALLS: Mapping[str, Calling] = {
    "cut": _with(lambda text: text[:-3]),
    "cut after an empty object": _with(lambda text: "{}" + text[:-3]),
    "cut in a string": _with(lambda text: json.dumps(text[:-3])),
    "two that differ": _with(lambda text: text + text[:-1] + ', "also": 1}'),
    "no JSON": _with(lambda text: "as you said"),
    "another tool": _with(name=lambda name: f"other.{name}"),
    "function null": lambda tool, text: {"tool_calls": [{"index": 0, "id": "c", "function": None}]},
    "null": lambda tool, text: {"tool_calls": [None]},
}

# an answer that is a call, as text
TEXT_CALLS: Mapping[str, Callable[[str, str], str]] = {
    "JSON": lambda tool, text: f'{{"name": "{tool}", "arguments": {text}}}',
    "fenced JSON": lambda tool, text: f'```json\n{{"name": "{tool}", "arguments": {text}}}\n```',
    "tool_call": lambda tool, text: (
        f'<tool_call>{{"name": "{tool}", "arguments": {text}}}</tool_call>'
    ),
    "TOOL_CALLS": lambda tool, text: f'[TOOL_CALLS][{{"name": "{tool}", "arguments": {text}}}]',
    "function tag": lambda tool, text: f"<function={tool}>{text}</function>",
    "Python": lambda tool, text: f"{tool}({text})",
}

# the call after an act that brings no answer
NO_ANSWERS: Mapping[str, Reply] = {
    "an error": [Refused(500, {"message": "no"})],
    "a rate limit": [Refused(429, {"message": "no", "code": "rate_limit_exceeded"})],
    "a refusal": [Refused(400, {"message": "no", "code": "bad"})],
    "no credit": [Refused(402, {"message": "no"})],
    "silence": [says(""), ends(), DONE],
    "an answer that is withheld": [says(""), ends("content_filter"), DONE],
    "a break at once": [End.BROKEN],
    "half an answer": [says("It is"), End.BROKEN],
}
