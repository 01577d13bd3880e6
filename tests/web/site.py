"""The whole stack with a clock that tests move, and people who look at its page."""

import contextlib
import json
import os
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2

from automation_service.inbox.items import InboxItemKind, NewInboxItem, add_items
from automation_service.runs.agent_client import AgentClient, ThreadResult
from devstack import dev_token, keys, settings
from devstack.programs import AUTOMATION, SERVED, run_module
from devstack.stack import Stack
from shared.db import database
from shared.rpc.client import DelegatedCredentials, open_channel
from shared.security.caller import ServiceIdentity
from tests.support.database.postgres import memory_folder
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock

ZONE: Final = "Europe/Paris"
# Two models to choose from, and tools that ask before they act.
_MODELS: Final = {
    "models": [
        {"id": -1, "display_name": "Demo", "model": "demo", "supports_images": True},
        {
            "id": -2,
            "display_name": "Demo for text",
            "model": "demo-text",
            "supports_images": False,
            "auto_eligible": False,
        },
    ],
    "mcp_servers": [
        {"id": "shelf", "command": [sys.executable, "-m", "tests.support.servers.mcp_server"]},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    url: str
    folder: Path
    clock: FileClock
    database_url: str  # that of automation_service
    chat: str  # the address of chat_service

    def token(self, workspace: str = "", life: timedelta = dev_token.LIFE, zone: str = ZONE) -> str:
        """Of a person who is alone in a workspace."""
        name = workspace or f"w{uuid4().hex[:12]}"
        return dev_token.mint(
            keys.ensure(self.folder), workspaces={name: "owner"}, user="ada", zone=zone, life=life
        )

    async def say(self, workspace: str, text: str, zone: str = "") -> dict[str, Any]:
        """A message from another device, that of somebody whose time zone is `zone` or unknown.

        Returns the last event of its turn.
        """
        threads = f"workspaces/{workspace}/threads/-"
        message = {"message": {"parts": [{"text": text}]}}
        return await self._turn(f"{threads}:sendMessage", message, self.token(workspace, zone=zone))

    async def approve(self, workspace: str, text: str) -> None:
        """A message from another device, and the approval there of all that its agent drafts."""
        waiting = (await self.say(workspace, text, ZONE))["suspended"]["approvals"]
        decisions = [
            {"approval": each["name"], "payload_digest": each["payload_digest"], "approve": {}}
            for each in waiting
        ]
        resume = f"{waiting[0]['turn']}:resume"
        last = await self._turn(resume, {"decisions": decisions}, self.token(workspace))
        assert "completed" in last

    async def _turn(self, call: str, said: dict[str, Any], token: str) -> dict[str, Any]:
        # Over plain HTTP, so that no certificates need to be read.
        async with httpx2.AsyncClient(base_url=self.url, timeout=60, verify=False) as client:
            answer = await client.post(
                f"/v1/{call}",
                headers={"authorization": f"Bearer {token}"},
                json={**said, "request_id": str(uuid4())},
            )
        answer.raise_for_status()
        events = [line for line in answer.text.splitlines() if line.startswith("data: ")]
        return dict(json.loads(events[-1].removeprefix("data: ")))

    async def bring(self, workspace: str, *items: dict[str, Any]) -> list[str]:
        """Puts items into the inbox of whoever `token` names. Returns their ids."""
        made = [
            NewInboxItem(
                **{
                    "id": uuid4(),
                    "workspace": workspace,
                    "user": "ada",
                    "kind": InboxItemKind.RESULT,
                    "create_time": self.clock.now(),
                    **given,
                }
            )
            for given in items
        ]
        engine = database.create_engine(self.database_url, schema="automation")
        try:
            async with database.transaction(engine) as connection:
                new = await add_items(connection, made)
        finally:
            await engine.dispose()
        assert len(new) == len(made), "she has not been there yet"
        return [str(one.id) for one in made]

    async def add_result(self, workspace: str, thread: str, body: str) -> None:
        """What automation_service does for a run that delivers to a thread."""
        identity = ServiceIdentity(
            service="automation_service",
            key_pem=keys.ensure(self.folder).private("automation_service").read_text(),
            key_id="automation_service",
        )
        behalf = DelegatedCredentials(identity=identity, audience="chat_service")
        run = f"workspaces/{workspace}/automations/news/runs/{uuid4()}"
        result = ThreadResult(
            delivery=f"{run}/deliveries/{uuid4()}",
            automation_display_name="Morning news",
            subject="News of the day",
            body=body,
            format="markdown",
        )
        async with open_channel(self.chat) as peer:
            client = AgentClient(channel=peer, credentials=behalf)
            await client.add_result(result, thread=thread, workspace=workspace, user="ada")

    def forward(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() + span)


@contextlib.contextmanager
def site(model_url: str = "", **more: str) -> Iterator[Site]:
    """Without `model_url` it has a demo model of its own."""
    # Where PostgreSQL's own user can go; pytest's folders are for one user only.
    with tempfile.TemporaryDirectory(prefix="rota-web-", dir=memory_folder()) as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "state"
        clock = FileClock(Path(place) / "clock")
        clock.set(_quiet(datetime.now(UTC)))
        ports = {name: str(free_port()) for name in settings.PORTS}
        models = Path(place) / "models.yaml"
        models.write_text(json.dumps(_MODELS))
        told = {
            "ROTA_STATE_DIR": str(folder),
            "ROTA_MODELS": str(models),
            "ROTA_SECRET_KEYS": b64encode(os.urandom(32)).decode(),
            "TZ": ZONE,
            **more,
            **({"OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "demo"} if model_url else {}),
        }
        chosen = settings.read({**_kept(), **told, **ports})
        folder.mkdir()

        def clocked(module: str, arguments: list[str]) -> list[str]:
            if module in SERVED and not arguments:
                program = [sys.executable, "-m", "tests.support.processes.service_processes"]
                return [*program, module, str(clock.path)]
            return run_module(module, arguments)

        said: list[str] = []
        stack = Stack(settings=chosen, say=said.append, run_program=clocked)
        try:
            stack.start()
            [service] = [child for child in stack._children if child.name == AUTOMATION]
            yield Site(
                url=chosen.gateway_url,
                folder=folder,
                clock=clock,
                chat=chosen.chat_addresses[0],
                database_url=service.environment["DATABASE_URL"],
            )
        finally:
            stack.stop()


def _quiet(now: datetime) -> datetime:
    """Now, or some days on when clocks change about now: slots of that night differ."""
    around = [(now + timedelta(days=n)).astimezone(ZoneInfo(ZONE)).utcoffset() for n in (-1, 2)]
    return now if around[0] == around[1] else now + timedelta(days=4)


def _kept() -> dict[str, str]:
    hidden = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL")
    return {key: value for key, value in os.environ.items() if key not in hidden}
