"""Rendering as a function from JSON to JSON: a step's `when` and its whole config are one job."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import Any, Final, Literal, NotRequired, TypedDict

from shared import errors
from shared.json.json_path import join_path
from shared.templates import earlier
from shared.templates.deadline import MAX_SECONDS, SlowTemplate, limit_loop_time, limit_time
from shared.templates.environment.lists import NamedSteps
from shared.templates.evaluation import (
    MAX_QUICK,
    CompiledTemplate,
    Fault,
    compile_expression,
    compile_text,
    evaluate,
    find_blank,
    fit,
    write,
)
from shared.templates.fields import FieldSchema
from shared.templates.marks import is_template
from shared.templates.sizes import WRITTEN, measure
from shared.templates.source import BadTemplate, count_operations, write_condition
from shared.templates.template_rules import EARLIER
from shared.templates.values import TemplateValue

MAX_FAULTS: Final = 20
_CACHED: Final = 1_024
# Of the sources of a step that a service compiles itself: thirty microseconds an operation.
_SHORT_SOURCES: Final = 32
_SHORT_CHARACTERS: Final = 64 * 1024
_SHORT_OPERATIONS: Final = 400


class StepJob(TypedDict):
    """A step to render. Every value is plain JSON.

    `names` are those that templates may use; `steps` among them has the members of each step
    that has a result. `outputs` has the step of each second name of an output. `hyphenated` has
    the ids of the definition's steps that hold a hyphen. `schema` is that of the config, and
    `cut` the most bytes of each text of it that is cut when it is longer, by path.
    """

    rules: int
    when: str | None
    config: dict[str, Any]
    schema: Mapping[str, Any]
    cut: Mapping[str, int]
    names: dict[str, Any]
    outputs: Mapping[str, str]
    hyphenated: list[str]


class TextCut(TypedDict):
    """A text that was cut: its path, and the most bytes that it may have."""

    field: str
    limit_bytes: int


class RenderFault(TypedDict):
    """`field` is a path in the config or `when`; `line` counts from 1; `reason` is an ErrorReason.

    `lines` is how many the source has.
    """

    field: str
    line: int
    lines: int
    reason: Literal["TEMPLATE_FAILED", "OUTPUT_TOO_LARGE"] | str
    message: str


class StepOutcome(TypedDict):
    """What a job gives: a config unless `when` is falsy, or the faults that are in the way.

    `blank` has the texts that came out empty, by path, and what was empty in each.
    """

    holds: bool
    config: NotRequired[dict[str, Any]]
    cut: NotRequired[list[TextCut]]
    blank: NotRequired[dict[str, str]]
    faults: NotRequired[list[RenderFault]]


def render_step(job: StepJob, *, seconds: float = MAX_SECONDS) -> StepOutcome:
    """Renders a step: whether its `when` holds, and then its config.

    Ends within `seconds` of CPU, whatever the job says. Never raises for what is in the job.
    One that is not quick is rendered in the main thread of a process of the sandbox.
    """
    return (_EarlierRenderer if job["rules"] == EARLIER else _PresentRenderer)(job, seconds).run()


def has_templates(job: StepJob) -> bool:
    """Whether a job has anything to evaluate: a `when`, or a template in its config."""
    return job["when"] is not None or next(list_sources(job["config"]), None) is not None


def is_quick(job: StepJob) -> bool:
    """Whether a job has few operations, each of which ends soon whatever it is given.

    Compiles its sources, which takes a millisecond each the first time, when they are short.
    """
    if job["rules"] == EARLIER or not is_short(job):
        return False
    return not _PresentRenderer(job, MAX_SECONDS).is_slow()


def render_quick(job: StepJob) -> StepOutcome | None:
    """Renders a step that is quick, on the loop of a service. None for any other.

    One that takes long on values of this size has no outcome here either, so the limit says
    where a step is rendered and never what comes of it.
    """
    if not is_quick(job):
        return None
    try:
        return _BriefRenderer(job, MAX_SECONDS).run()
    except SlowTemplate:
        return None


def count_characters(job: StepJob) -> int:
    """How many characters the sources of a job have."""
    return sum(map(len, _list_all(job)))


def is_short(job: StepJob) -> bool:
    """Whether the sources of a job are soon compiled: what was stored once may be of any length."""
    sources = _list_all(job)
    if len(sources) > _SHORT_SOURCES or sum(map(len, sources)) > _SHORT_CHARACTERS:
        return False
    operations = 0
    for source in sources:
        try:
            operations += _count(source)
        except BadTemplate:
            return False
        if operations > _SHORT_OPERATIONS:  # so at most one source more is counted
            return False
    return True


def _list_all(job: StepJob) -> list[str]:
    sources = list(list_sources(job["config"]))
    if job["when"] is not None:
        sources.append(write_condition(job["when"]))
    return sources


@lru_cache(maxsize=_CACHED)
def _count(source: str) -> int:
    return count_operations(source)


class _StepRenderer(ABC):
    """One job, field by field."""

    def __init__(self, job: StepJob, seconds: float) -> None:
        self.job = job
        self.seconds = seconds
        self.faults: list[RenderFault] = []
        self.cut: list[TextCut] = []
        self.blank: dict[str, str] = {}
        self.field, self.source = "", ""

    def run(self) -> StepOutcome:
        try:
            return self.render()
        except _Stop:
            pass
        except errors.RotaError as error:
            self.add_fault(Fault(1, error.reason, error.message))
        except Fault as fault:
            self.add_fault(fault)
        return {"holds": True, "faults": self.faults}

    @abstractmethod
    def render(self) -> StepOutcome:
        """Renders the job. Raises Fault and RotaError for what is wrong with a field."""

    def add_fault(self, fault: Fault) -> None:
        self.faults.append(
            {
                "field": self.field,
                "line": fault.line,
                "lines": self.source.count("\n") + 1,
                "reason": fault.reason,
                "message": fault.message,
            }
        )

    def at(self, field: str, source: str) -> None:
        self.field, self.source = field, source


class _PresentRenderer(_StepRenderer):
    def __init__(self, job: StepJob, seconds: float) -> None:
        super().__init__(job, seconds)
        self.ids = frozenset(job["hyphenated"])
        self.names = _name_outputs(job)

    def render(self) -> StepOutcome:
        with self.limit():
            if (when := self.job["when"]) is not None:
                self.at("when", when)
                if not evaluate(compile_expression(when, self.ids), self.names):
                    return {"holds": False}
            config = self.job["config"]
            if next(list_sources(config), None) is None:
                return {"holds": True, "config": _copy(config), "cut": []}
            config = self._render(config, "", FieldSchema(self.job["schema"]))
        if self.faults:
            return {"holds": True, "faults": self.faults}
        return {"holds": True, "config": config, "cut": self.cut, "blank": self.blank}

    def limit(self) -> AbstractContextManager[None]:
        """The limits of what is evaluated inside."""
        return limit_time(self.seconds, interrupted=self.is_slow())

    def is_slow(self) -> bool:
        """Whether the time must interrupt it; compiles every source."""
        weight = 0
        for compiled in self._compile_all():
            if compiled is None or compiled.weight is None:
                return True
            weight += compiled.weight
        return weight > MAX_QUICK

    def _compile_all(self) -> Iterator[CompiledTemplate | None]:
        when = self.job["when"]
        try:
            if when is not None:
                yield compile_expression(when, self.ids)
            for source in list_sources(self.job["config"]):
                yield compile_text(source, self.ids)
        except Fault:
            yield None

    def _render(self, value: Any, path: str, schema: FieldSchema) -> Any:
        match value:
            case str() if is_template(value):
                return self._render_field(value, path, schema)
            case dict():
                return {
                    key: self._render(item, join_path(path, [key]), schema.member(key))
                    for key, item in value.items()
                }
            case list():
                return [
                    self._render(item, f"{path}[{i}]", schema.item(i))
                    for i, item in enumerate(value)
                ]
        return value

    def _render_field(self, source: str, path: str, schema: FieldSchema) -> Any:
        self.at(path, source)
        try:
            compiled = compile_text(source, self.ids)
            limit = self.job["cut"].get(path)
            made = evaluate if compiled.is_value else partial(write, most=limit)
            fitted = fit(made(compiled, self.names), schema.types, compiled, self.names)
            if compiled.is_value:
                WRITTEN.get().spend(measure(fitted))
            if isinstance(fitted, str) and (not fitted or fitted.isspace()):
                self.blank[path] = find_blank(compiled, source, self.names)
            if limit is not None and isinstance(fitted, str):
                return self._cut(fitted, limit)
        except Fault as fault:
            self.add_fault(fault)
            if len(self.faults) >= MAX_FAULTS:
                raise _Stop from fault
            return None
        return fitted

    def _cut(self, text: str, limit: int) -> str:
        if len(text) * 4 <= limit or len(text.encode("utf-8", "surrogatepass")) <= limit:
            return text
        told = f"\n\n[Cut here: the text is longer than {limit:,} bytes, the most it may have.]"
        kept = text.encode("utf-8", "surrogatepass")[: limit - len(told)]
        self.cut.append({"field": self.field, "limit_bytes": limit})
        return kept.decode("utf-8", "ignore") + told


class _BriefRenderer(_PresentRenderer):
    def limit(self) -> AbstractContextManager[None]:
        return limit_loop_time()


class _Stop(Exception):
    """Enough faults were found."""


class _EarlierRenderer(_StepRenderer):
    def render(self) -> StepOutcome:
        job = self.job
        names = _earlier_names(job)
        if job["when"] is not None:
            self.at("when", job["when"])
            if not earlier.evaluate_condition(job["when"], names, seconds=self.seconds):
                return {"holds": False}
        self.at("", "")
        if next(list_sources(job["config"]), None) is None:
            return {"holds": True, "config": _copy(job["config"]), "cut": []}
        config = earlier.render(job["config"], names, seconds=self.seconds)
        return {"holds": True, "config": config, "cut": []}


def list_sources(value: Any) -> Iterator[str]:
    """Yields every text of a config that holds a template."""
    match value:
        case str() if is_template(value):
            yield value
        case dict():
            for item in value.values():
                yield from list_sources(item)
        case list():
            for item in value:
                yield from list_sources(item)


def _copy(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copy(item) for key, item in value.items()}
        case list():
            return [_copy(item) for item in value]
    return value


def _name_outputs(job: StepJob) -> dict[str, Any]:
    """The names, with the steps that know each second name of an output."""
    names, steps = job["names"], job["names"].get("steps") or {}
    also = {
        name: steps[step_id].get("output")
        for name, step_id in job["outputs"].items()
        if step_id in steps
    }
    return {**names, "steps": NamedSteps(steps, also)}


def _earlier_names(job: StepJob) -> dict[str, Any]:
    names, steps = job["names"], job["names"].get("steps") or {}
    values = {
        step_id: TemplateValue(members.get("output"), members) for step_id, members in steps.items()
    }
    also = {name: values[step] for name, step in job["outputs"].items() if step in values}
    return {**names, "steps": {**values, **also}}
