"""What a person made of a payload before approving it, checked like the draft was."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chat_service.agent.ports import ActionType, Automations
from chat_service.persistence.approvals import Approval
from shared import errors, json_schema

# which automation, and as it was when the change was drafted
_HELD = ("name", "etag")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedPayloads:
    automations: Automations

    async def checked(
        self, row: Approval, payload: Mapping[str, Any], field: str
    ) -> Mapping[str, Any]:
        """Its canonical form. InvalidRequest with paths under `field`, where it stands."""
        try:
            match row.action_type:
                case ActionType.CREATE:
                    return await self._created(row, payload)
                case ActionType.UPDATE:
                    return await self._updated(row, payload)
                case ActionType.PAUSE | ActionType.RESUME | ActionType.TOOL_CALL:
                    return _fitting(row, payload)
        except errors.RotaError as error:
            if not error.violations:
                raise
            raise errors.InvalidRequest(
                [
                    replace(v, field=under(field, v.field.removeprefix("automation.")))
                    for v in error.violations
                ]
            ) from error
        raise errors.invalid(field, f"an act of the type {row.action_type} can't be edited")

    async def _created(self, row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        saved = await self.automations.validate(
            workspace=row.workspace_id, user=row.requested_by, payload=payload
        )
        return saved.payload

    async def _updated(self, row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if changed := [key for key in _HELD if payload.get(key) != row.payload[key]]:
            raise errors.InvalidRequest(
                [
                    errors.FieldViolation(field=key, description="can't be changed")
                    for key in changed
                ]
            )
        saved = await self.automations.validate_update(
            workspace=row.workspace_id, user=row.requested_by, payload=payload
        )
        return saved.payload


def under(prefix: str, field: str) -> str:
    return f"{prefix}.{field}" if field else prefix


def _fitting(row: Approval, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """By the schema that the card was shown with, which fixes what may not change."""
    if faults := json_schema.faults(row.payload_schema, payload):
        raise errors.InvalidRequest(
            [errors.FieldViolation(field=path, description=what) for path, what in faults]
        )
    return payload
