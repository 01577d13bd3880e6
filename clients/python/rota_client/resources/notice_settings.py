"""Calls about what the caller is told of, where and when."""

from collections.abc import Sequence
from datetime import timedelta

from rota_client.calls import Calls, new_id
from rota_client.gen.google.protobuf import FieldMask
from rota_client.gen.rota.automation import v1 as automation_v1
from rota_client.names import complete_name

INBOX = "inbox"


class NoticeSettingsCalls:
    """The methods of RotaClient about the caller's own notice settings."""

    workspace: str
    notices: automation_v1.NoticeSettingsServiceStub
    _calls: Calls

    @property
    def notice_settings_name(self) -> str:
        return f"{self.workspace}/noticeSettings"

    async def get_notice_settings(self) -> automation_v1.NoticeSettings:
        request = automation_v1.GetNoticeSettingsRequest(name=self.notice_settings_name)
        return await self._calls.unary(self.notices.get_notice_settings, request)

    async def update_notice_settings(
        self, settings: automation_v1.NoticeSettings, *paths: str
    ) -> automation_v1.NoticeSettings:
        """Changes the fields of `paths`. What is named and absent is its default again."""
        settings.name = self.notice_settings_name
        request = automation_v1.UpdateNoticeSettingsRequest(
            notice_settings=settings,
            update_mask=FieldMask(paths=list(paths)),
            request_id=new_id(),
        )
        return await self._calls.unary(self.notices.update_notice_settings, request)

    async def route_notices(
        self, kind: automation_v1.NoticeSettingsKind, places: Sequence[str]
    ) -> automation_v1.NoticeSettings:
        """Sets where notices of one kind go: `inbox` and destinations; nowhere without any."""
        found = await self.get_notice_settings()
        route = automation_v1.NoticeSettingsRoute(
            kind=kind, places=[self._complete_place(place) for place in places]
        )
        routes = [one for one in found.routes if one.kind != kind]
        changed = automation_v1.NoticeSettings(routes=[*routes, route], etag=found.etag)
        return await self.update_notice_settings(changed, "routes")

    async def set_quiet_hours(
        self, quiet: automation_v1.NoticeSettingsQuietHours | None
    ) -> automation_v1.NoticeSettings:
        """Sets when no notice goes out; None: there are no such times."""
        changed = automation_v1.NoticeSettings(quiet_hours=quiet)
        return await self.update_notice_settings(changed, "quiet_hours")

    async def set_notice_delays(
        self, *, failure_interval: timedelta | None, approval_delay: timedelta | None
    ) -> automation_v1.NoticeSettings:
        """Sets those that are given."""
        given = {"failure_interval": failure_interval, "approval_delay": approval_delay}
        changed = automation_v1.NoticeSettings(
            failure_interval=failure_interval, approval_delay=approval_delay
        )
        paths = [name for name, value in given.items() if value is not None]
        return await self.update_notice_settings(changed, *paths)

    def _complete_place(self, place: str) -> str:
        return place if place == INBOX else complete_name(self.workspace, "destinations", place)
