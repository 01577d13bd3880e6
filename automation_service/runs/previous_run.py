"""The last run that succeeded before a run, and what of it a definition uses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.persistence import runs as rows
from automation_service.persistence.run_claims import Claim
from automation_service.runs.event_log import StoreError
from automation_service.runs.steps.results import StepResult
from automation_service.runs.steps.templates import find_zone, name_members
from shared.clock import rfc3339
from shared.db import database
from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import PlanStep
from shared.registries.actions.types import EarlierOutput
from shared.resources import RUN
from shared.schedule import zones
from shared.templates.job import list_sources
from shared.templates.source import list_members, write_condition
from shared.templates.template_rules import EARLIER

_NAME = "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousUse:
    """What templates or a memory use of the run before: its output, and steps of it by id."""

    any: bool = False
    output: bool = False
    steps: frozenset[str] = frozenset()

    @classmethod
    def of(cls, step: PlanStep, ids: Sequence[str]) -> Self:
        """What the templates of a step name; `ids` are those of the plan."""
        found = {members for source in _list_sources(step) for members in _members(source)}
        named = {members[1] for members in found if members[:1] == ("steps",) and members[1:]}
        return cls(
            any=bool(found),
            output=("output",) in {members[:1] for members in found},
            steps=frozenset(
                id_ for id_ in ids for name in named if name == id_ or name.startswith(f"{id_}-")
            ),
        )

    @classmethod
    def of_memory(cls, step: PlanStep) -> Self:
        return cls(any=True, output=True, steps=frozenset({step.step_id}))

    def __or__(self, other: "PreviousUse") -> "PreviousUse":
        return PreviousUse(
            any=self.any or other.any,
            output=self.output or other.output,
            steps=self.steps | other.steps,
        )


@dataclass(slots=True)
class PreviousRunReader:
    """Reads the run before one, once and only if it is asked for. Raises StoreError."""

    db: AsyncEngine
    claim: Claim
    definition: AutomationDefinition
    _is_read: bool = field(default=False, init=False)
    _run: rows.PreviousRun | None = field(default=None, init=False)

    def list_uses(self, step: PlanStep) -> PreviousUse:
        """What the templates of a step use. Those of the earlier rules know no such name."""
        if self.claim.template_rules == EARLIER or _NAME not in self.claim.snapshot:
            return PreviousUse()
        return PreviousUse.of(step, [each.step_id for each in self.definition.plan])

    async def read_names(self, use: PreviousUse) -> dict[str, Any]:
        """Returns what `previous` names, with what is used; empty without such a run."""
        run = await self._read()
        if run is None:
            return {}
        results = (StepResult.from_json(each) for each in run.step_results)
        return {
            "run": RUN.format(
                workspace=self.claim.workspace, automation=self.claim.automation, run=run.id
            ),
            "slot_time": rfc3339(run.slot_time),
            **self._read_local(run),
            **({"output": run.output} if use.output else {}),
            "steps": {
                each.step_id: name_members(each) for each in results if each.step_id in use.steps
            },
        }

    async def read_output(self, step: PlanStep) -> EarlierOutput | None:
        """Returns what a step gave, or the whole run where the step gave nothing."""
        run = await self._read()
        if run is None:
            return None
        own = [each for each in run.step_results if each["step_id"] == step.step_id]
        given = [output for each in own if (output := each.get("output")) is not None]
        return EarlierOutput(output=given[0] if given else run.output, **self._read_local(run))

    async def _read(self) -> rows.PreviousRun | None:
        if not self._is_read:
            use = self._list_all_uses()
            try:
                async with database.autocommit(self.db) as connection:
                    self._run = await rows.find_previous(
                        connection, self.claim.run, output=use.output, steps=sorted(use.steps)
                    )
            except Exception as fault:
                raise StoreError from fault
            self._is_read = True
        return self._run

    def _list_all_uses(self) -> PreviousUse:
        found = PreviousUse()
        for step in (*self.definition.plan, *self.definition.execution.on_failure):
            found |= self.list_uses(step)
            if step.config.get("memory") == _NAME:
                found |= PreviousUse.of_memory(step)
        return found

    def _read_local(self, run: rows.PreviousRun) -> Mapping[str, str]:
        local = run.slot_time.astimezone(zones.load(find_zone(self.claim, self.definition)))
        return {"local_date": local.date().isoformat(), "local_time": f"{local:%H:%M}"}


def _list_sources(step: PlanStep) -> Iterator[str]:
    yield from list_sources(step.config)
    if step.when is not None:
        yield write_condition(step.when)


def _members(source: str) -> set[tuple[str, ...]]:
    return list_members(source, _NAME) if _NAME in source else set()
