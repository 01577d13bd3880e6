"""The runner of checks: in this process where they are quick, else in the sandbox."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from shared.aio import take_turn
from shared.errors import FieldReason
from shared.json import json_schema
from shared.registries.catalogue import Catalogue
from shared.registries.catalogue_form import NoForm, dump_catalogue
from shared.sandbox.failure import JobFailed
from shared.sandbox.pool import Sandbox
from shared.telemetry import logs
from shared.validation import check as definition_check
from shared.validation import jobs
from shared.validation.violations import TOO_LONG, Violation

# Of CPU: twice what the largest definition takes, on a machine of half the speed.
SECONDS: Final = 4.0
# Of a check that is begun here, in the units of TurnShare. Few of them come near QUICK_COST.
CHECK_COST: Final = 4_000

log = logs.logger(__name__)
Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRunner:
    """Does a check in this process as long as it costs little, and else in the sandbox.

    What costs more than json_schema.QUICK_COST begins anew in the sandbox, with the limits that
    the check itself has. Its answer is the same in both places.
    """

    sandbox: Sandbox

    async def find_faults(
        self, schema: Mapping[str, Any], value: Any, *, workspace: str
    ) -> list[tuple[str, str]]:
        """Returns where and why a value breaks a schema. Raises ServiceUnavailable."""
        job: jobs.SchemaJob = {"schema": schema, "value": value}
        try:
            found = await self.do(jobs.find_faults, job, workspace=workspace)
        except JobFailed:
            return [("", "it takes too long to apply the schema to a value of this size")]
        return [(path, what) for path, what in found]

    async def find_problem(self, schema: Mapping[str, Any], *, workspace: str) -> str | None:
        """Returns why a schema is not accepted, or None. Raises ServiceUnavailable."""
        try:
            return await self.do(jobs.find_problem, schema, workspace=workspace)
        except JobFailed:
            return "it takes too long to check a schema of this size"

    async def check(
        self, create: Mapping[str, Any], catalogue: Catalogue, *, workspace: str
    ) -> list[Violation]:
        """Returns the violations of a definition. Raises ServiceUnavailable."""
        await take_turn(CHECK_COST, by=workspace)
        try:
            return check_quickly(create, catalogue)
        except json_schema.NotQuick:
            return await self.check_slow(create, catalogue, workspace=workspace)

    async def check_slow(
        self, create: Mapping[str, Any], catalogue: Catalogue, *, workspace: str
    ) -> list[Violation]:
        """The same for a definition that is not quickly checked.

        A catalogue with a class that only this process has is checked against here, within the
        limits of a definition.
        """
        try:
            form = dump_catalogue(catalogue)
        except NoForm as entry:
            log.warning("check_outside_of_sandbox", entry=str(entry))
            return definition_check.check(create, catalogue)
        try:
            plain = definition_check.read_plain(create)
        except ValueError:
            return definition_check.check(create, catalogue)  # which says so before all else
        job: jobs.DefinitionJob = {"create": plain, "catalogue": form}
        try:
            found = await self._send(jobs.check_definition, job, workspace)
        except JobFailed:
            return [Violation("definition", FieldReason.TOO_LARGE, TOO_LONG)]
        return [Violation(at, FieldReason(reason), said) for at, reason, said in found]

    async def do(self, check: Callable[[Job], Answer], job: Job, *, workspace: str) -> Answer:
        """Does a check from JSON to JSON, which the sandbox has by its name.

        Raises JobFailed and ServiceUnavailable, and what the check raises here.
        """
        await take_turn(CHECK_COST, by=workspace)
        try:
            with json_schema.quick_cost():
                return check(job)
        except json_schema.NotQuick:
            return await self._send(check, job, workspace)

    async def _send(self, check: Callable[[Job], Answer], job: Job, workspace: str) -> Answer:
        answer: Answer = await self.sandbox.run(
            check.__name__, job, workspace=workspace, seconds=SECONDS
        )
        return answer


def check_quickly(create: Mapping[str, Any], catalogue: Catalogue) -> list[Violation]:
    """Returns the violations of a definition. Raises NotQuick."""
    with json_schema.quick_cost():
        return definition_check.check(create, catalogue)
