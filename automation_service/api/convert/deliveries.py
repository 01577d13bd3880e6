"""Conversion of deliveries to protobuf."""

from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from rota.automation.v1 import delivery_pb2 as pb

from automation_service.persistence.outbox.deliveries import Delivery, DeliveryAttempt
from shared.rpc.messages.timestamps import to_timestamp


def delivery(found: Delivery, attempts: Sequence[DeliveryAttempt] = ()) -> pb.Delivery:
    return pb.Delivery(
        name=found.resource,
        step_id=found.step_id,
        destination=found.destination,
        subject=found.subject,
        body=found.body,
        format=found.format.upper(),
        condition=found.condition.upper(),
        state=found.state.name,
        attempt_count=found.attempts,
        attempts=[_attempt(one) for one in attempts],
        status_code=found.status_code,
        error=found.error,
        create_time=to_timestamp(found.create_time),
        next_attempt_time=to_timestamp(found.next_attempt_time),
        end_time=to_timestamp(found.end_time),
    )


def _attempt(found: DeliveryAttempt) -> pb.Delivery.Attempt:
    duration = None
    if found.end_time is not None:
        duration = Duration()
        duration.FromTimedelta(found.end_time - found.start_time)
    return pb.Delivery.Attempt(
        attempt=found.attempt,
        start_time=to_timestamp(found.start_time),
        duration=duration,
        status_code=found.status_code,
        error=found.error,
    )
