"""What a person is told of: each call's success and documented refusals."""

from typing import Any, Final
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from rota.agent.v1 import agent_pb2 as gp
from rota.automation.v1 import notice_settings_pb2 as np
from rota.notice.v1 import notice_pb2

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage, new_id

A: Final = "AgentService/"
M: Final = "NoticeSettingsService/"
N: Final = "NoticeService/"
KIND: Final = np.NoticeSettings.Kind
QUIET: Final = np.NoticeSettings.QuietHours


def _changing(stage: Stage, *paths: str, request_id: str = "", **fields: Any) -> Any:
    name = f"{stage.workspace}/noticeSettings"
    fields = {"approval_delay": Duration(seconds=300), **fields}
    return np.UpdateNoticeSettingsRequest(
        notice_settings=np.NoticeSettings(name=name, **fields),
        update_mask=FieldMask(paths=paths),
        request_id=request_id,
    )


def _route(*places: str, kind: Any = KIND.RUN_FAILED) -> Any:
    return np.NoticeSettings.Route(kind=kind, places=places)


def _nights(**fields: Any) -> Any:
    return QUIET(**{"time_zone": "Europe/Paris", "start": "22:00", "end": "07:00", **fields})


def _later(request: Any) -> None:
    request.notice_settings.approval_delay.seconds = 600


def _refused(path: str, **fields: Any) -> Row:
    return refused(
        f"{M}UpdateNoticeSettings",
        "INVALID_REQUEST",
        lambda s: _changing(s, **fields),
        f"notice_settings.{path}",
    )


NOTICE_SETTINGS_ROWS: Final[list[Row]] = [
    ok(
        f"{M}GetNoticeSettings",
        lambda s: np.GetNoticeSettingsRequest(name=f"{s.workspace}/noticeSettings"),
        lambda n: n.failure_interval.seconds == 3600 and n.etag,
    ),
    ok(
        f"{M}UpdateNoticeSettings",
        lambda s: _changing(s, routes=[_route()], quiet_hours=_nights(days=[QUIET.FRIDAY])),
        lambda n: (
            (n.routes[0].kind, list(n.routes[0].places)) == (KIND.RUN_FAILED, [])
            and list(n.quiet_hours.days) == [QUIET.FRIDAY]
            and n.approval_delay.seconds == 300
        ),
    ),
    again(f"{M}UpdateNoticeSettings", lambda s: _changing(s, request_id=new_id()), _later),
    refused(f"{M}UpdateNoticeSettings", "ETAG_MISMATCH", lambda s: _changing(s, etag="stale")),
    refused(
        f"{M}UpdateNoticeSettings",
        "INVALID_REQUEST",
        lambda s: _changing(s, "update_time"),
        "update_mask",
    ),
    _refused("quiet_hours.time_zone", quiet_hours=_nights(time_zone="Europe/Nowhere")),
    _refused("quiet_hours.start", quiet_hours=_nights(start="24:00")),
    _refused("quiet_hours.days", quiet_hours=_nights(end="22:00")),
    _refused("routes[1].kind", routes=[_route(), _route("inbox")]),
    _refused("routes[0].kind", routes=[_route(kind=0)]),
    _refused("routes[0].places[0]", routes=[_route("outbox")]),
    _refused("routes[0].places[0]", routes=[_route("workspaces/w/destinations/nobodys")]),
    _refused("failure_interval", failure_interval=Duration(seconds=604_801)),
    _refused("approval_delay", approval_delay=Duration(nanos=1)),
]


def _asking(stage: Stage) -> notice_pb2.NotifyRequest:
    return notice_pb2.NotifyRequest(
        workspace=stage.workspace,
        approval_requested=notice_pb2.ApprovalRequested(
            approval=f"{stage.workspace}/approvals/{UUID(int=9)}",
            turn=f"{stage.workspace}/threads/t/turns/u",
            action_type="automation_create",
            create_time=Timestamp(seconds=1_800_000_000),
            expire_time=Timestamp(seconds=1_800_600_000),
            summary="Create the automation Tea",
        ),
    )


def _asking_nothing(stage: Stage) -> notice_pb2.NotifyRequest:
    return notice_pb2.NotifyRequest(workspace=stage.workspace)


NOTICE_ROWS: Final[list[Row]] = [
    ok(f"{N}Notify", _asking, lambda empty: not empty.ListFields()),
    refused(f"{N}Notify", "INVALID_REQUEST", _asking_nothing, "approval_requested"),
    ok(
        f"{A}CheckApprovals",
        lambda s: gp.CheckApprovalsRequest(
            workspace=s.workspace,
            approvals=[
                s.approved().name,
                s.waiting.name,
                f"{s.workspace}/approvals/{UUID(int=9)}",
            ],
        ),
        lambda answer: len(answer.pending) == 1,
    ),
    refused(
        f"{A}CheckApprovals",
        "RESOURCE_NOT_FOUND",
        lambda s: gp.CheckApprovalsRequest(
            workspace=s.workspace, approvals=[f"workspaces/other/approvals/{UUID(int=9)}"]
        ),
    ),
]
