"""Notices of what concerns people, each recorded in the transaction of what it tells."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from automation_service.persistence.enums import NoticeKind
from automation_service.persistence.outbox import notices
from automation_service.persistence.records import Automation
from automation_service.persistence.run_claims import Claim
from shared import errors, resources
from shared.db.storable_text import clean
from shared.definition.states import RunStatus
from shared.text.snippet import cut_line

# Of a text of others in a notice; what it links to has the rest.
MAX_LINE: Final = 500


async def record_run_failed(
    connection: AsyncConnection,
    claim: Claim,
    status: RunStatus,
    error: errors.RotaError | None,
    now: datetime,
) -> None:
    facts = {
        "state": status.name,
        "error": _line(error.message) if error else "",
        "slot_time": claim.slot_time.isoformat(),
    }
    run = resources.RUN.format(
        workspace=claim.workspace, automation=claim.automation, run=claim.run
    )
    await notices.add_of_automation(
        connection,
        workspace=claim.workspace,
        automation=claim.automation_id,
        author=claim.author,
        kind=NoticeKind.RUN_FAILED,
        resource_name=run,
        facts=facts,
        time=now,
    )


async def record_automation_paused(
    connection: AsyncConnection, claim: Claim, failures: int, now: datetime
) -> None:
    automation = resources.AUTOMATION.format(workspace=claim.workspace, automation=claim.automation)
    await notices.add_of_automation(
        connection,
        workspace=claim.workspace,
        automation=claim.automation_id,
        author=claim.author,
        kind=NoticeKind.AUTOMATION_PAUSED,
        resource_name=automation,
        facts={"failures": failures},
        time=now,
    )


async def record_automation_resumed(
    connection: AsyncConnection, automation: Automation, resume_time: datetime, now: datetime
) -> None:
    await notices.add_of_automation(
        connection,
        workspace=automation.workspace,
        automation=automation.id,
        author=notices.AUTHOR_OF_TODAY,
        kind=NoticeKind.AUTOMATION_RESUMED,
        resource_name=automation.resource,
        facts={"resume_time": resume_time.isoformat()},
        time=now,
    )


async def record_approval_waiting(
    connection: AsyncConnection,
    *,
    workspace: str,
    user: str,
    approval: str,
    summary: str,
    create_time: datetime,
    expire_time: datetime,
) -> None:
    """Records the notice once for each approval."""
    await notices.add(
        connection,
        uuid5(UUID(resources.APPROVAL.parse(approval)["approval"]), "notice"),
        workspace=workspace,
        user=user,
        kind=NoticeKind.APPROVAL_WAITING,
        resource_name=approval,
        facts={"summary": _line(summary)},
        time=create_time,
        expire_time=expire_time,
    )


def _line(text: str) -> str:
    """The text in one line, within its limit, as PostgreSQL takes it."""
    return cut_line(clean(text[: 4 * MAX_LINE]), MAX_LINE)
