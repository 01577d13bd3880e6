"""The RPC methods of threads and their messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from google.protobuf import empty_pb2
from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service import convert
from chat_service.api.resource import ResourceServicer
from chat_service.flows.open_turn import refuse_open_turn, refuse_task_thread
from chat_service.model_selection import auto_pin
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.persistence import images, messages, threads
from chat_service.persistence.enums import ThreadKind, TitleState
from chat_service.persistence.threads import Thread
from shared import aip, errors, list_filter, resources
from shared.db import database
from shared.rpc.access import Role
from shared.rpc.idempotency import IdempotencyKey
from shared.security import caller
from shared.text.invisible_characters import name_fault

_FILTER_FIELDS: Final = {"create_time": list_filter.TIME}


@dataclass(frozen=True, kw_only=True)
class ThreadServicer(ResourceServicer):
    model_loader: ModelLoader

    async def CreateThread(self, request: pb.CreateThreadRequest, context: Any) -> pb.Thread:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        who = await self.access.admit(request.parent, "editor")
        thread = self._new_thread(workspace, who.user, request.thread)
        key = IdempotencyKey.of(request, rpc="CreateThread", workspace=workspace, user=who.user)

        async def make() -> str:
            await self._check_model(connection, thread.model_config_id, workspace, who.user)
            await threads.insert(connection, thread)
            return str(thread.id)

        async with database.transaction(self.db) as connection:
            if request.validate_only:
                await make()
                await connection.rollback()
                return aip.clear_identity(convert.thread(thread))
            made, _ = await self.idempotency.run(connection, key, make)
            return convert.thread(await self._get_thread(connection, workspace, UUID(made)))

    async def GetThread(self, request: pb.GetThreadRequest, context: Any) -> pb.Thread:
        workspace, thread = await self._admit_thread(request.name, "viewer")
        async with self.db.connect() as connection:
            return convert.thread(await self._get_thread(connection, workspace, thread))

    async def ListThreads(
        self, request: pb.ListThreadsRequest, context: Any
    ) -> pb.ListThreadsResponse:
        workspace = resources.WORKSPACE.parse(request.parent)["workspace"]
        await self.access.admit(request.parent, "viewer")
        wanted = list_filter.parse(request.filter, _FILTER_FIELDS)
        page = self.pages.read(request)
        async with self.db.connect() as connection:
            rows = await threads.list_newest(
                connection, workspace, size=page.size + 1, before=page.after_id(), filter_=wanted
            )
        shown, token = aip.fill_page(page, rows, convert.thread, lambda row: (row.id,))
        return pb.ListThreadsResponse(threads=shown, next_page_token=token)

    async def UpdateThread(self, request: pb.UpdateThreadRequest, context: Any) -> pb.Thread:
        workspace, thread = await self._admit_thread(request.thread.name, "editor")
        who = await self.access.admit(request.thread.name, "editor")
        present = [field.name for field, _ in request.thread.ListFields()]
        fields = aip.resolve_mask(
            request.update_mask.paths,
            allowed=["display_name", "model_config_id"],
            present=present,
            prefix="thread",
            kind=pb.Thread,
        )
        changes = _changes(request.thread, fields)
        key = IdempotencyKey.of(request, rpc="UpdateThread", workspace=workspace, user=who.user)

        async def make() -> str:
            row = await self._lock_chat(connection, workspace, thread)
            _check_etag(row, request.thread.etag)
            model = changes.get("model_config_id", auto_pin.AUTO)
            await self._check_model(connection, model, workspace, who.user)
            if any(getattr(row, name) != value for name, value in changes.items()):
                await threads.update(connection, thread, self.clock.now(), changes)
            return str(thread)

        async with database.transaction(self.db) as connection:
            if request.validate_only:
                before = await self._get_thread(connection, workspace, thread)
                await make()
                row = await self._get_thread(connection, workspace, thread)
                await connection.rollback()
                return convert.thread(
                    replace(row, update_time=before.update_time), etag=convert.thread_etag(before)
                )
            await self.idempotency.run(connection, key, make)
            return convert.thread(await self._get_thread(connection, workspace, thread))

    async def DeleteThread(self, request: pb.DeleteThreadRequest, context: Any) -> empty_pb2.Empty:
        workspace, thread = await self._admit_thread(request.name, "editor")
        who = await self.access.admit(request.name, "editor")
        key = IdempotencyKey.of(request, rpc="DeleteThread", workspace=workspace, user=who.user)

        async def make() -> str:
            row = await self._lock_chat(connection, workspace, thread)
            if row.created_by != who.user:
                caller.require_role(who.workspaces[workspace], "owner")
            _check_etag(row, request.etag)
            await refuse_open_turn(connection, row)
            shown = await images.list_hashes(connection, thread)
            await threads.delete(connection, thread)
            await images.delete_unreferenced(connection, workspace, shown)
            return str(thread)

        async with database.transaction(self.db) as connection:
            await self.idempotency.run(connection, key, make)
        return empty_pb2.Empty()

    async def ListMessages(
        self, request: pb.ListMessagesRequest, context: Any
    ) -> pb.ListMessagesResponse:
        workspace, thread = await self._admit_thread(request.parent, "viewer")
        page = self.pages.read(request)
        async with self.db.connect() as connection:
            await self._get_thread(connection, workspace, thread)
            rows = await messages.list_newest(
                connection, thread, size=page.size + 1, before=page.after_id()
            )
        shown, token = aip.fill_page(
            page, rows, lambda row: convert.message(row, workspace), lambda row: (row.id,)
        )
        return pb.ListMessagesResponse(messages=shown, next_page_token=token)

    async def _admit_thread(self, name: str, role: Role) -> tuple[str, UUID]:
        """Admits the caller and returns the thread's workspace and id."""
        parts = resources.THREAD.parse(name)
        await self.access.admit(name, role)
        return parts["workspace"], resources.parse_uuid(parts["thread"], name)

    async def _get_thread(
        self, connection: AsyncConnection, workspace: str, thread: UUID
    ) -> Thread:
        """Returns a chat, or the thread of a run's step: who reads the workspace reads both."""
        found = await threads.get_any(connection, workspace, thread)
        if found is None:
            raise errors.ResourceNotFound(
                resources.THREAD.format(workspace=workspace, thread=thread)
            )
        return found

    async def _lock_chat(self, connection: AsyncConnection, workspace: str, thread: UUID) -> Thread:
        """Returns a thread that the caller may change. Raises StateConflict for a task's."""
        found = await threads.get(connection, workspace, thread, lock=True)
        if found is None:
            await refuse_task_thread(connection, workspace, thread)
            raise errors.ResourceNotFound(
                resources.THREAD.format(workspace=workspace, thread=thread)
            )
        return found

    def _new_thread(self, workspace: str, user: str, asked: pb.Thread) -> Thread:
        _require_name(asked.display_name)
        now = self.clock.now()
        return Thread(
            id=resources.new_id_at(now),
            workspace_id=workspace,
            created_by=user,
            kind=ThreadKind.CHAT,
            title=asked.display_name,
            title_state=TitleState.SET if asked.display_name else TitleState.NONE,
            model_config_id=asked.model_config_id,
            create_time=now,
            update_time=now,
        )

    async def _check_model(
        self, connection: AsyncConnection, config_id: int, workspace: str, user: str
    ) -> None:
        if config_id == auto_pin.AUTO:
            return
        found = await self.model_loader.find_config(
            connection, config_id, workspace=workspace, user=user
        )
        if found is None:
            raise errors.invalid(
                "thread.model_config_id",
                f"{config_id} is not configured",
                errors.FieldReason.UNKNOWN_MODEL,
            )


def _changes(asked: pb.Thread, fields: Sequence[str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if "display_name" in fields:
        _require_name(asked.display_name)
        changes["title"] = asked.display_name
        changes["title_state"] = TitleState.SET if asked.display_name else TitleState.NONE
        changes["titled_by"] = None
    if "model_config_id" in fields:
        changes["model_config_id"] = asked.model_config_id
    return changes


def _require_name(display_name: str) -> None:
    if fault := name_fault(display_name):
        raise errors.invalid("thread.display_name", fault, errors.FieldReason.INVISIBLE_CHARACTER)


def _check_etag(row: Thread, etag: str) -> None:
    name = resources.THREAD.format(workspace=row.workspace_id, thread=row.id)
    aip.check_etag(etag, convert.thread_etag(row), name=name)
