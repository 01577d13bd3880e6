"""Events for webhooks, recorded in the transaction of their cause."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence import webhooks
from automation_service.persistence.enums import WebhookDeliveryStatus
from automation_service.persistence.outbox import webhook_deliveries
from automation_service.persistence.records import Automation
from automation_service.persistence.run_claims import Claim
from shared import errors, resources
from shared.clock import rfc3339
from shared.definition.states import RunStatus
from shared.telemetry import metrics

RUN_FAILED = "run.failed"
RUN_SUCCEEDED = "run.succeeded"
AUTOMATION_PAUSED = "automation.paused"
AUTOMATION_RESUMED = "automation.resumed"
APPROVAL_REQUESTED = "approval.requested"
TEST = "webhook.test"


async def record_run_failed(
    connection: AsyncConnection,
    claim: Claim,
    status: RunStatus,
    error: errors.RotaError | None,
    now: datetime,
) -> None:
    run = _run(claim)
    data = {
        "automation": _automation(claim),
        "run": run,
        "state": status.name,
        "reason": error.reason if error else "",
        "slot_time": rfc3339(claim.slot_time),
        "backfill": claim.backfill,
    }
    await _record(connection, claim.workspace, RUN_FAILED, run, data, now)


async def record_run_succeeded(
    connection: AsyncConnection, claim: Claim, output: str | None, now: datetime
) -> None:
    """`output` is JSON; None is that of a run without one. Only a webhook that asks gets it."""
    run = _run(claim)
    data: dict[str, Any] = {
        "automation": _automation(claim),
        "run": run,
        "state": RunStatus.SUCCEEDED.name,
        "slot_time": rfc3339(claim.slot_time),
        "backfill": claim.backfill,
    }
    webhook = await webhooks.get(connection, claim.workspace)
    if webhook.include_output:
        data["output"] = None if output is None else json.loads(output)
    await _record(connection, claim.workspace, RUN_SUCCEEDED, run, data, now)


async def record_automation_paused(
    connection: AsyncConnection, claim: Claim, failures: int, now: datetime
) -> None:
    automation = _automation(claim)
    data = {"automation": automation, "run": _run(claim), "consecutive_failures": failures}
    await _record(connection, claim.workspace, AUTOMATION_PAUSED, automation, data, now)


async def record_automation_resumed(
    connection: AsyncConnection, automation: Automation, resume_time: datetime, now: datetime
) -> None:
    data = {"automation": automation.resource, "resume_time": rfc3339(resume_time)}
    await _record(
        connection, automation.workspace, AUTOMATION_RESUMED, automation.resource, data, now
    )


async def record_approval_requested(
    connection: AsyncConnection,
    *,
    workspace: str,
    approval: str,
    turn: str,
    action_type: str,
    create_time: datetime,
    expire_time: datetime,
    now: datetime,
) -> None:
    """Records the event once for each approval."""
    data = {
        "approval": approval,
        "turn": turn,
        "action_type": action_type,
        "expire_time": rfc3339(expire_time),
    }
    delivery_id = UUID(approval.rpartition("/")[2])
    await _record(
        connection,
        workspace,
        APPROVAL_REQUESTED,
        approval,
        data,
        now,
        delivery_id=delivery_id,
        event_time=create_time,
    )


async def record_test(connection: AsyncConnection, workspace: str, now: datetime) -> UUID:
    """Records a test event. Returns the id of its message."""
    webhook = resources.WEBHOOK.format(workspace=workspace)
    delivery_id = resources.new_id()
    data = {"webhook": webhook}
    await _record(
        connection, workspace, TEST, webhook, data, now, delivery_id=delivery_id, any_type=True
    )
    return delivery_id


async def _record(
    connection: AsyncConnection,
    workspace: str,
    event_type: str,
    subject: str,
    data: Mapping[str, Any],
    now: datetime,
    *,
    delivery_id: UUID | None = None,
    any_type: bool = False,
    event_time: datetime | None = None,
) -> None:
    said = {"workspace": resources.WORKSPACE.format(workspace=workspace), **data}
    body = {"type": event_type, "timestamp": rfc3339(event_time or now), "data": said}
    written = await webhook_deliveries.add(
        connection,
        delivery=delivery_id or resources.new_id(),
        workspace=workspace,
        event_type=event_type,
        subject=subject,
        body=json.dumps(body, separators=(",", ":")),
        now=now,
        any_type=any_type,
    )
    if written is WebhookDeliveryStatus.FAILED:
        metrics.count("rota.webhook.deliveries", outcome="given_up")


def _automation(claim: Claim) -> str:
    return resources.AUTOMATION.format(workspace=claim.workspace, automation=claim.automation)


def _run(claim: Claim) -> str:
    return resources.RUN.format(
        workspace=claim.workspace, automation=claim.automation, run=claim.run
    )
