"""The check of an approval's payload, edited or not, when a user decides it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from pydantic import ValidationError

from chat_service.persistence.approvals import Approval
from chat_service.persistence.enums import ApprovalState
from chat_service.runtime.ports import ActionType, AutomationsPort
from chat_service.tools.automations.drafts.check import has_trigger
from chat_service.tools.mcp import form
from shared import errors
from shared.clock import Clock, rfc3339
from shared.definition.envelope import AutomationCreate, dump
from shared.json.json_path import append_path
from shared.sandbox.failure import JobFailed
from shared.validation import never_fires
from shared.validation.check_runner import CheckRunner
from shared.validation.violations import TOO_LONG

_CHECKED_AS_SHOWN = (ActionType.QUESTION, ActionType.PAUSE, ActionType.SKIP, ActionType.UNSKIP)
# They identify the automation and the version that the user saw.
_FIXED_KEYS = ("name", "etag")


class ModelLookup(Protocol):
    async def find_id(self, name: str, *, workspace: str, user: str) -> int:
        """Returns the id of a model that the user may name. Raises ModelGone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadCheck:
    automations: AutomationsPort
    models: ModelLookup
    checks: CheckRunner
    clock: Clock

    async def check(
        self, row: Approval, payload: Mapping[str, Any], field: str
    ) -> Mapping[str, Any]:
        """Returns the canonical form of an edited payload, checked for who edits: `decided_by`.

        Raises InvalidRequest with paths under the request's `field`.
        """
        if row.state is not ApprovalState.PENDING:
            return _stored_form(row, payload)
        try:
            match row.action_type:
                case ActionType.CREATE:
                    return await self._check_create(row, payload)
                case ActionType.UPDATE:
                    return await self._check_update(row, payload)
                case (
                    ActionType.TOOL_CALL
                    | ActionType.RESUME
                    | ActionType.BACKFILL
                    | ActionType.DELETE
                    | ActionType.ROLLBACK
                ):
                    return await self._check_schema(row, payload)
                case ActionType.PAUSE | ActionType.SKIP | ActionType.UNSKIP:
                    self._require_ahead(row, payload)
                    return await self._check_schema(row, payload)
                case ActionType.QUESTION:
                    return await self._check_answer(row, payload)
        except errors.RotaError as error:
            if not error.violations:
                raise
            raise errors.InvalidRequest(
                [
                    replace(v, field=append_path(field, v.field.removeprefix("automation.")))
                    for v in error.violations
                ],
                more=error.more_violations,
            ) from error
        raise errors.invalid(field, f"an act of the type {row.action_type} can't be edited")

    async def check_as_shown(self, row: Approval, field: str) -> None:
        """Raises InvalidRequest if the payload can't be approved as it was shown.

        An automation would never fire, as its time has passed; the end of a pause, the time to
        skip, or every skipped time, is past; a question lacks required values.
        Paths are under the request's `field`, which an edit would fill. The tool that acts on the
        approval reports every other change since the user saw the payload.
        """
        if row.action_type in _CHECKED_AS_SHOWN:
            await self.check(row, row.payload, field)
        if row.action_type not in (ActionType.CREATE, ActionType.UPDATE) or not self._is_late(row):
            return
        try:
            await self.check(row, row.payload, field)
        except errors.InvalidRequest:
            raise
        except errors.RotaError:
            return

    async def _check_schema(self, row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Checks against the approval's schema, which pins what may not change."""
        faults = await self.checks.find_faults(
            row.payload_schema, payload, workspace=row.workspace_id
        )
        _refuse(faults)
        return payload

    async def _check_answer(self, row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        job: form.FormJob = {"form": row.payload_schema, "answer": payload}
        try:
            found = await self.checks.do(form.check_answer, job, workspace=row.workspace_id)
        except JobFailed:
            found = [["", TOO_LONG]]
        _refuse((path, what) for path, what in found)
        return payload

    def _require_ahead(self, row: Approval, payload: Mapping[str, Any]) -> None:
        """Raises InvalidRequest when the moment that a card is about has come, of several all."""
        if row.action_type == ActionType.UNSKIP:
            self._require_one_ahead(row)
            return
        pauses = row.action_type == ActionType.PAUSE
        key = "resume_time" if pauses else "slot_time"
        now, moment = self.clock.now(), row.payload.get(key)
        if payload.get(key) == moment and moment and datetime.fromisoformat(moment) <= now:
            said = (
                f"the end of this pause has come (it is {rfc3339(now)}); ask again for a later one"
                if pauses
                else "the time to skip has come; ask again for the next"
            )
            raise errors.invalid(key, said)

    def _require_one_ahead(self, row: Approval) -> None:
        """Raises InvalidRequest when every skipped slot of a card has come."""
        times = [datetime.fromisoformat(one["fire_time"]) for one in row.payload.get("slots", ())]
        if times and max(times) <= self.clock.now():
            raise errors.invalid("slots", "the time has come, so it stays skipped")

    def _is_late(self, row: Approval) -> bool:
        try:
            definition = AutomationCreate.model_validate(_automation_fields(row.payload)).definition
            unfired = never_fires.zero_fires(definition)
            return any(never_fires.find_violations(definition, self.clock.now(), unfired))
        except ValidationError:
            return False

    async def _check_create(self, row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        saved = await self.automations.validate(
            workspace=row.workspace_id, user=row.decided_by or row.requested_by, payload=payload
        )
        _require_trigger(row, payload)
        await self._require_models(row, saved.payload)
        return saved.payload

    async def _check_update(self, row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if changed := [key for key in _FIXED_KEYS if payload.get(key) != row.payload[key]]:
            raise errors.InvalidRequest(
                [
                    errors.FieldViolation(
                        field=key,
                        description="can't be changed",
                        reason=errors.FieldReason.IMMUTABLE,
                    )
                    for key in changed
                ]
            )
        saved = await self.automations.validate_update(
            workspace=row.workspace_id, user=row.decided_by or row.requested_by, payload=payload
        )
        _require_trigger(row, payload)
        await self._require_models(row, saved.payload)
        return saved.payload

    async def _require_models(self, row: Approval, payload: Mapping[str, Any]) -> None:
        """Raises InvalidRequest for models that an edit names and that nobody has."""
        named = {name for _, name in _models_of(row.payload)}
        user, missing = row.decided_by or row.requested_by, []
        for path, name in _models_of(payload):
            try:
                if name not in named:
                    await self.models.find_id(name, workspace=row.workspace_id, user=user)
            except errors.ModelGone:
                missing.append(path)
        if missing:
            said = "names no model that is configured"
            raise errors.InvalidRequest(
                [
                    errors.FieldViolation(
                        field=path, description=said, reason=errors.FieldReason.UNKNOWN_MODEL
                    )
                    for path in missing
                ]
            )


def _models_of(payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the models that the steps of a valid payload name, with their places."""
    definition = payload.get("definition") or {}
    execution = definition.get("execution") or {}
    lists = (("plan", definition), ("on_failure", execution))
    for (name, of), base in zip(lists, ("plan", "execution.on_failure"), strict=True):
        for i, step in enumerate(of.get(name) or ()):
            model = (step.get("config") or {}).get("model")
            if isinstance(model, str) and model and "{{" not in model:
                yield f"definition.{base}[{i}].config.model", model


def _require_trigger(row: Approval, payload: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for an edit that takes the last trigger away."""
    if has_trigger(row.payload) and not has_trigger(payload):
        raise errors.invalid(
            "definition.triggers",
            "the last trigger can't be left out: it would never run",
            errors.FieldReason.NO_TRIGGER,
        )


def _stored_form(row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the form that `check` gave before the decision, without checks against the clock."""
    if row.action_type not in (ActionType.CREATE, ActionType.UPDATE):
        return payload
    held = {key: payload[key] for key in _FIXED_KEYS if key in payload}
    try:
        return {**held, **dump(AutomationCreate.model_validate(_automation_fields(payload)))}
    except ValidationError:
        return payload


def _automation_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key not in _FIXED_KEYS}


def _refuse(faults: Iterable[tuple[str, str]]) -> None:
    """Raises InvalidRequest when there are faults."""
    if found := [errors.FieldViolation(field=path, description=what) for path, what in faults]:
        raise errors.InvalidRequest(found)
