"""The deliveries of a step, as they are stored with its result."""

from collections.abc import Sequence
from datetime import datetime

from automation_service.persistence.outbox.deliveries import NewDelivery
from automation_service.persistence.run_claims import Claim
from automation_service.runs.steps.results import to_storable
from shared.registries.actions.types import DeliveryRequest


def build_deliveries(
    claim: Claim, step_id: str, requests: Sequence[DeliveryRequest], now: datetime
) -> list[NewDelivery]:
    return [
        NewDelivery(
            id=request.id,
            run=claim.run,
            workspace=claim.workspace,
            automation_id=claim.automation_id,
            automation=claim.automation,
            step_id=step_id,
            output_step_id=request.output_step_id,
            user=claim.author,
            destination=request.destination,
            subject=to_storable(request.subject),
            body=to_storable(request.body),
            format=request.format,
            condition=request.condition,
            content_digest=request.content_digest,
            is_empty=request.is_empty,
            time=now,
        )
        for request in requests
    ]
