"""Times at the ends of the calendar, in every field and call that takes one."""

from typing import Any, Final

import grpc
from google.protobuf import timestamp_pb2
from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.rpc import status
from tests.support.credentials.tokens import Keys
from tests.support.system.automation import START, Running, message, news, running, schedule

_DAYS: Final = ("0001-01-01", "0001-01-02", "9999-12-30", "9999-12-31")
_TIMES: Final = ("00:00:00", "12:00:00", "23:59:00", "23:59:59.999999")
_OFFSETS: Final = ("Z", "+14:00", "-12:00", "+23:59", "-23:59")
TIMES: Final = [f"{day}T{time}{offset}" for day in _DAYS for time in _TIMES for offset in _OFFSETS]
ZONES: Final = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12")


async def fault(rota: Running, rpc: str, request: Any) -> tuple[str, ...]:
    """The fields of a refusal, without what leads to them."""
    try:
        await rota.call(rpc, request)
    except grpc.aio.AioRpcError as error:
        refused = error
    else:
        return ()
    found = status.from_call(refused, peer="the service")
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT, (refused.code(), request)
    return tuple(violation.field.rpartition(".")[2] for violation in found.violations)


async def test_a_time_at_the_end_of_the_calendar_is_taken_or_refused_at_its_field(
    url: str, keys: Keys
) -> None:
    refused: set[str] = set()
    async with running(url, keys, clock=ManualClock(START), roles="api") as rota:
        name = (await rota.create(news(triggers=[schedule()]))).name
        for number, moment in enumerate(TIMES):
            field = ("start_time", "end_time")[number % 2]
            zone = ZONES[number % len(ZONES)]
            for enabled in (True, False):
                spec = {**schedule(zone=zone, **{field: moment}), "enabled": enabled}
                said = message(news(triggers=[spec]))
                create = pb.CreateAutomationRequest(
                    parent=name.partition("/automations/")[0], automation=said, validate_only=True
                )
                found = await fault(rota, "CreateAutomation", create)
                assert set(found) <= {field, "cron"}, (moment, zone, found)
                refused |= set(found)
            preview = pb.PreviewScheduleRequest(parent=create.parent)
            preview.config.update(spec["config"])
            found = await fault(rota, "PreviewSchedule", preview)
            assert set(found) <= {field}, (moment, zone, found)
        for seconds in (-62_135_596_800, 253_402_300_799, -(10**15), 10**15):
            stamp = timestamp_pb2.Timestamp(seconds=seconds)
            preview = pb.PreviewScheduleRequest(parent=create.parent, start_time=stamp)
            preview.config.update(schedule()["config"])
            assert set(await fault(rota, "PreviewSchedule", preview)) <= {"start_time"}
            explain = pb.ExplainSlotRequest(trigger=f"{name}/triggers/t", time=stamp)
            assert set(await fault(rota, "ExplainSlot", explain)) <= {"time"}
    assert {"start_time", "end_time"} <= refused
