"""The replies of the demo model: rules, no language model."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devstack.demo import drafter, reviser, run_result
from devstack.demo.delegation import DELEGATE_TOOL, parse_delegation
from devstack.demo.delivery import SEVERAL, choose_place, is_delivery
from devstack.demo.management import (
    LIST_TOOL,
    MANAGEMENT_TOOLS,
    is_about_failures,
    parse_management_call,
)
from devstack.demo.pronoun import WHICH, find_last_named, is_pronoun
from devstack.demo.request import (
    CHAT_TOOLS,
    CREATE_TOOL,
    Message,
    Request,
    ToolCall,
    parse_directives,
    strip_directives,
)
from devstack.demo.schedules.schedule import ClarifyingQuestion, Schedule, ScheduleRefusal
from devstack.demo.schedules.schedule_parser import (
    AT_WHAT_TIME,
    NOT_UNDERSTOOD,
    WHAT_TO_DO,
    parse_schedule,
)
from devstack.demo.schedules.unread_words import is_command
from devstack.demo.schema_example import build_example

EXAMPLES = "“every weekday at 9 in Paris summarise the news” or “in two minutes tell me a joke”"
ABOUT = (
    "I am the offline demo model: a handful of rules, no intelligence. I can make small talk and "
    f"schedule things. Try {EXAMPLES}."
)
COMMANDS = (
    "I know “pause NAME until next Monday at 9 because …”, “resume NAME”, “skip the next run of "
    "NAME”, “skip tomorrow's NAME”, “don't skip tomorrow's NAME after all”, “backfill NAME from "
    "14:43 to 14:46”, “change NAME to 10:30”, “roll back NAME”, “roll back NAME to version 2”, "
    "“delete NAME”, “what came in this week?”, “why did I get this?”, “send NAME to Slack too”, "
    "“don't mail NAME”, “why did NAME not run at 9?” and “list my automations”."
)
_SMALL_TALK = (
    (r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|bonjour|hallo)(?:\s+\w+)?\W*$",
     f"Hello! {ABOUT}"),
    (r"\b(?:thanks|thank you|thx|merci|cheers)\b", "You are welcome!"),
    (r"^\W*(?:bye|goodbye|see you|good night)\b", "Goodbye!"),
    (r"^\W*(?:how are you|how do you do)\b", "All my rules are in order, thank you. And you?"),
    (r"\b(?:what can you do|who are you|what are you|how do you work)\b|^\W*help\W*$", ABOUT),
)  # fmt: skip
NONE_YET = "You have no automations yet."
_SAVED_TIMES = ("next_fires", "next_fire_times", "next_fire_time", "preview", "slots")
_DONE = {
    "updated": "is changed",
    "paused": "is paused",
    "resumed": "is active again",
    "skipped": "skips its next time",
    "unskipped": "runs then after all",
    "backfilled": "runs for what it missed",
    "deleted": "is deleted",
    "rolled_back": "is as it was before",
}
_SEVERAL_AUTOMATIONS = re.compile(r"automation: .*, so ask which is meant: (?P<those>.+)$", re.S)
_RESOURCE = re.compile(r"; workspaces/[^)\s]+")
_CLOCK_QUESTION = re.compile(
    r"\b(?:what time|what day|what date|current (?:time|date)|the time|today's date)\b", re.I
)
_ZONED = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\S+ (\S+)$")
_URL = re.compile(r"https?://[^\s<>\"')]+")
_MEMORY = re.compile(r"\s*\[Memory: .*", re.S)
_ALSO = re.compile(r"(?:[,;.]\s*)?\band also\b|\n+|;", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    text: str = ""
    calls: tuple[ToolCall, ...] = ()


def answer(request: Request, now: datetime) -> Reply:
    match request.kind:
        case "drafter":
            revision = reviser.revise(request, now)
            return Reply(text=drafter.draft(request, now) if revision is None else revision)
        case "title":
            return Reply(text=_title(request))
        case "chat":
            return _chat(request, now)
        case "task":
            return _task(request)


def _title(request: Request) -> str:
    words = re.findall(r"[\w’'/:-]+", strip_directives(request.asked))[:6]
    title = " ".join(words)
    return title[:1].upper() + title[1:] or "A demo"


def _chat(request: Request, now: datetime) -> Reply:
    if results := request.tool_results:
        asked = strip_directives(request.asked)
        return Reply(text=" ".join(_acknowledge(result, asked) for result in results))
    asked = _with_place_before(request, strip_directives(request.asked))
    if calls := _calls_by_directive(request):
        return Reply(calls=calls)
    if tasks := parse_delegation(_ALSO.split(asked), request.tools):
        asked_for = tuple(_call(DELEGATE_TOOL, task) for task in tasks)
        return Reply(calls=asked_for if request.parallel else asked_for[:1])
    here = drafter.read_local_time(request.system, now)
    last = find_last_named(request.messages)
    if found := parse_management_call(asked, request.tools, here, last):
        if found.question:
            return Reply(text=found.question)
        hidden = _draft_directive(request.asked) if "change" in found.arguments else ""
        arguments = found.arguments
        if is_pronoun(arguments.get("automation", "")):
            meant = find_last_named(request.messages)
            if not meant:
                return Reply(text=WHICH)
            arguments = {**arguments, "automation": meant}
        return Reply(calls=(_management_call(found.tool, arguments, hidden),))
    if said := _without_automations(request, asked, here):
        return Reply(text=said)
    if said := _unread_command(request, asked):
        return Reply(text=said)
    readings = [
        (part, parse_schedule(part)) for part in _parts(_with_question_before(request, asked))
    ]
    whens = [reading for _, reading in readings if isinstance(reading, Schedule)]
    if whens and all(when.task for when in whens):
        hidden = _draft_directive(request.asked)
        calls = tuple(_create_call(when, hidden) for when in whens)
        return Reply(calls=calls if request.parallel else calls[:1])
    return _ask_or_talk(request, asked, [reading for _, reading in readings])


def _without_automations(request: Request, asked: str, here: datetime) -> str:
    """Returns the answer to a request about automations where the prompt says there are none."""
    if "Automations in the workspace: none" not in request.system:
        return ""
    found = parse_management_call(asked, CHAT_TOOLS - request.tools.keys(), here)
    if found is None:
        return ""
    return NONE_YET if found.tool == LIST_TOOL else f"{NONE_YET} So there is nothing to do."


def _unread_command(request: Request, asked: str) -> str:
    """Returns the question for a request about an automation that no rule reads."""
    if not is_command(asked):
        return ""
    reading = parse_schedule(asked)
    recurs = isinstance(reading, Schedule) and not reading.is_once
    if recurs or (reading is None and not request.tools.keys() & MANAGEMENT_TOOLS):
        return ""
    return f"{NOT_UNDERSTOOD} “{_short(asked)}” as a request about an automation. {COMMANDS}"


def _ask_or_talk(request: Request, asked: str, readings: Sequence[object]) -> Reply:
    for reading in readings:
        match reading:
            case Schedule(phrase=phrase):
                return Reply(text=f"{WHAT_TO_DO} I do {phrase}?")
            case ClarifyingQuestion(question):
                return Reply(text=question)
            case ScheduleRefusal(reason):
                return Reply(
                    text=f"I cannot schedule that: {reason} Only times can be triggers, such as "
                    f"{EXAMPLES}."
                )
    if call := _lookup(request, asked):
        return Reply(calls=(call,))
    text = _small_talk(asked) or run_result.answer_question(request, asked)
    return Reply(text=text or _no_idea(request))


def _with_question_before(request: Request, asked: str) -> str:
    """Prepends the earlier request when the text answers a question of the demo model."""
    spoken = [m for m in request.messages if m.role in ("user", "assistant")]
    if len(spoken) >= 3 and spoken[-2].text.startswith((AT_WHAT_TIME, WHAT_TO_DO, "On which day")):
        return f"{strip_directives(spoken[-3].text)} {asked}"
    return asked


def _with_place_before(request: Request, asked: str) -> str:
    """Returns the earlier request with the destination that the text answers a question with."""
    spoken = [m for m in request.messages if m.role in ("user", "assistant") and m.text]
    if len(spoken) < 3 or not spoken[-2].text.startswith(SEVERAL):
        return asked
    return choose_place(spoken[-2].text, strip_directives(spoken[-3].text), asked) or asked


def _parts(asked: str) -> list[str]:
    """Returns the requests of a text, each with what is said of where its result goes."""
    parts: list[str] = []
    for part in _ALSO.split(asked):
        if parts and is_delivery(part):
            parts[-1] = f"{parts[-1].rstrip(' .')} and {part.strip()} too"
        else:
            parts.append(part)
    return parts


def _create_call(when: Schedule, hidden: str) -> ToolCall:
    zone = f" in {when.zone}" if when.zone else ""
    phrase = when.phrase[0].upper() + when.phrase[1:]
    return _call(CREATE_TOOL, {"intent": f"{phrase}{zone}: {when.task}.{hidden}"})


def _management_call(tool: str, arguments: dict[str, Any], hidden: str) -> ToolCall:
    changed = {"change": f"{arguments['change']}{hidden}"} if hidden else {}
    return _call(tool, {**arguments, **changed})


def _draft_directive(text: str) -> str:
    # The one directive that is meant for the drafter, who sees nothing but the intent.
    wanted = parse_directives(text).get("draft")
    return f" <<draft={wanted}>>" if wanted else ""


def _calls_by_directive(request: Request) -> tuple[ToolCall, ...]:
    wanted = json.loads(parse_directives(request.asked).get("calls", "[]"))
    return tuple(
        _call(each["name"], each.get("args", {}))
        for each in wanted
        if each["name"] in request.tools
    )


def _call(name: str, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(name=name, arguments=json.dumps(arguments, ensure_ascii=False))


def _acknowledge(result: Message, asked: str) -> str:
    try:
        said = json.loads(result.text)
    except ValueError:
        said = None
    match said:
        case {"status": "saved", **rest}:
            return _describe_saved(rest)
        case {"status": "listed", "automations": list(automations)}:
            return _describe_list(automations)
        case {"status": "listed", "destinations": list(destinations)}:
            return _describe_destinations(destinations)
        case {"status": "explained", **rest}:
            return f"“{rest.get('display_name')}” at {rest.get('moment')}: {rest['explanation']}"
        case {"status": "traced", "explanation": str(explanation)}:
            return explanation
        case {"status": "inbox", **rest}:
            return _describe_failures(rest) if is_about_failures(asked) else _describe_inbox(rest)
        case {"status": "done", "subagent": str(subagent), "answer": str(answer)}:
            return f"The {subagent} says: {answer}"
        case {"now": _, "local": str(local), "weekday": str(weekday)}:
            return f"It is {weekday}, {local}."
        case {"url": str(url), "text": str(text)}:
            return f"[demo] I read {url}. It begins: {_short(text)}"
        case {"status": "unchanged", "display_name": str(name)}:
            return f"“{name}” is like that already, so there is nothing to change."
        case {"status": "rejected", **rest}:
            reason = str(rest.get("reason") or "").strip().rstrip(".")
            return f"Understood, I leave it at that{f' ({reason})' if reason else ''}."
        case {"status": "invalid", **rest}:
            issues = rest.get("issues") or rest.get("violations") or []
            told = _sentence(issues)
            field, _, missing = told.partition(": ")
            if told.startswith(SEVERAL):
                return told
            if several := _SEVERAL_AUTOMATIONS.match(told):
                return f"Which one do you mean: {_RESOURCE.sub('', several['those'])}?"
            if field in ("automation", "moment", "version", "result", "start", "day"):
                return f"I need to know more: {missing}."
            # of a field, or a sentence of its own
            return f"That did not become a valid automation: {told}." if missing else f"{told}."
        case {"status": "error", **rest}:
            return f"I am sorry, that went wrong: {_sentence(rest.get('message', ''))}."
    return f"[demo] The tool says: {result.text[:300]}"


def _describe_saved(result: dict[Any, Any]) -> str:
    name = result.get("display_name") or result.get("automation") or "The automation"
    done = _DONE.get(str(result.get("change")), "is saved")
    if left_out := result.get("left_out"):
        done += f", except that {_sentence(left_out)}"
    for key in _SAVED_TIMES:
        times = result.get(key)
        if first := times[0] if isinstance(times, list) and times else times:
            if isinstance(first, dict):
                first = (
                    first.get("local_time") or first.get("fire_time") or next(iter(first.values()))
                )
            done += f". It fires next at {_local(str(first))}"
            break
    not_sent = "".join(f" {sentence}" for sentence in result.get("not_sent") or ())
    return f"“{name}” {done}.{not_sent}"


def _local(moment: str) -> str:
    """Writes `2027-03-03T09:00:00+01:00 Europe/Paris` as `2027-03-03 09:00 (Europe/Paris)`."""
    return _ZONED.sub(r"\1 \2 (\3)", moment)


def _describe_list(automations: Sequence[dict[str, Any]]) -> str:
    if not automations:
        return NONE_YET
    lines = [f"“{a['display_name']}” ({a['state']}): {a['schedule']}." for a in automations]
    return f"You have {len(lines)}:\n" + "\n".join(lines)


def _describe_inbox(found: dict[Any, Any]) -> str:
    items = [f"{one['subject']}, {one['time']}: {one['first_line']}" for one in found["items"]]
    runs = [
        f"{one['display_name']} ran ({one['state']}), {one['time']}: {one['first_line']}"
        for one in found["other_runs"]
    ]
    lines = [*items, *runs] or ["Nothing came then."]
    return f"{found['unread_in_all']} unread in your inbox.\n" + "\n".join(lines)


def _describe_failures(found: dict[Any, Any]) -> str:
    items = [one for one in found["items"] if one["kind"] == "run_failed"]
    runs = [one for one in found["other_runs"] if one["state"] == "failed"]
    lines = [f"{one['subject']}, {one['time']}: {one['first_line']}" for one in items]
    lines += [f"{one['display_name']}, {one['time']}: {one['first_line']}" for one in runs]
    return "\n".join(["These failed:", *lines] if lines else ["Nothing failed then."])


def _describe_destinations(destinations: Sequence[dict[str, Any]]) -> str:
    always = "Results can come to this conversation and to your inbox."
    if not destinations:
        return f"{always} There are no other destinations yet; add one on the page “Destinations”."
    lines = [
        f"“{d['display_name']}” ({d['kind']}, {d['host']}): {d['state']}." for d in destinations
    ]
    return f"{always} Beside them there are:\n" + "\n".join(lines)


def _sentence(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_sentence(item) for item in value[:3])
    if isinstance(value, dict):
        return ": ".join(str(part) for part in value.values())
    return str(value).strip().rstrip(".")


def _lookup(request: Request, text: str) -> ToolCall | None:
    """Returns a call of a read-only tool when the text asks for its result."""
    url = _URL.search(text)
    if url and "fetch_url" in request.tools:
        return _call("fetch_url", {"url": url[0].rstrip(".,;:!?")})
    if _CLOCK_QUESTION.search(text) and "now" in request.tools:
        needed = build_example(request.tools["now"])
        return _call("now", needed if isinstance(needed, dict) else {})
    return None


def _small_talk(text: str) -> str:
    return next((reply for rule, reply in _SMALL_TALK if re.search(rule, text, re.I)), "")


def _no_idea(request: Request) -> str:
    seen = " I cannot see images." if request.messages[-1].images else ""
    return f"I am only the offline demo model, so I have no good answer to that.{seen} {ABOUT}"


def _task(request: Request) -> Reply:
    prompt = _MEMORY.sub("", strip_directives(request.asked))
    results = request.tool_results
    if not results and (calls := _calls_by_directive(request)):
        return Reply(calls=calls)
    if not results and (call := _lookup(request, prompt)):
        return Reply(calls=(call,))
    if request.schema is not None:
        return Reply(text=json.dumps(build_example(request.schema), ensure_ascii=False))
    if request.json_object:
        return Reply(text=json.dumps({"demo": prompt}, ensure_ascii=False))
    if results:
        told = "; ".join(result.text[:500] for result in results)
        return Reply(text=f"[demo] For “{_short(prompt)}” the tools say: {told}")
    return Reply(text=_small_talk(prompt) or _pretend(prompt))


def _pretend(prompt: str) -> str:
    if said := re.match(r"\W*say\s+(.+)", prompt, re.I | re.S):
        return f"[demo] {_short(said[1])}"
    if re.search(r"\bjoke\b", prompt, re.I):
        return "[demo] Why does a schedule never get lost? It always knows its slot."
    if summary := re.match(r"\W*summari[sz]e\s+(.+)", prompt, re.I | re.S):
        subject = _short(summary[1])
        return (
            f"[demo] A pretend summary of {subject}: much happened, little of it surprising, and "
            "tomorrow is another day. The offline demo model wrote this without reading anything."
        )
    return (
        f"[demo] The task “{_short(prompt)}” came at its time. The offline demo model can only say "
        "so; a real model would now carry it out."
    )


def _short(text: str) -> str:
    flat = re.sub(r"\s+", " ", text).strip(" .")
    return flat if len(flat) <= 200 else f"{flat[:199]}…"
