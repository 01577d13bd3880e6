"""The servicer of NoticeSettingsService."""

from dataclasses import dataclass
from typing import Any

from rota.automation.v1 import notice_settings_pb2 as pb
from rota.automation.v1 import notice_settings_pb2_grpc

from automation_service.api.convert import notice_settings as convert_notice_settings
from automation_service.notices.service import NoticeSettingsOfPeople, etag_of, payload_digest
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from shared import resources
from shared.rpc.access import Access
from shared.rpc.idempotency import IdempotencyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettingsServicer(notice_settings_pb2_grpc.NoticeSettingsServiceServicer):
    access: Access
    settings: NoticeSettingsOfPeople

    async def GetNoticeSettings(self, request: Any, context: Any) -> pb.NoticeSettings:
        who = await self.access.admit(request.name, "viewer")
        return _message(await self.settings.get(_workspace(request.name), who.user))

    async def UpdateNoticeSettings(self, request: Any, context: Any) -> pb.NoticeSettings:
        message = request.notice_settings
        who = await self.access.admit(message.name, "viewer")
        workspace, etag = _workspace(message.name), message.etag
        said = convert_notice_settings.notice_settings_values(message, request.update_mask.paths)
        if request.validate_only:
            found = await self.settings.validate(
                workspace, who.user, said, etag=etag, digest=request.payload_digest
            )
            return _message(found, payload_digest=payload_digest(found))
        key = IdempotencyKey.of(
            request, rpc="UpdateNoticeSettings", workspace=workspace, user=who.user
        )
        return _message(
            await self.settings.update(key, said, etag=etag, digest=request.payload_digest)
        )


def _workspace(name: str) -> str:
    return resources.NOTICE_SETTINGS.parse(name)["workspace"]


def _message(found: NoticeSettings, *, payload_digest: str = "") -> pb.NoticeSettings:
    return convert_notice_settings.notice_settings(
        found, etag=etag_of(found), payload_digest=payload_digest
    )
