"""The text that `make run` prints when everything serves."""

import os
import sys
from pathlib import Path

from devstack.settings import Settings
from devstack.state import READY

_TEXT = """
Rota runs.

  page                {settings.gateway_url}/#token={token}

  gateway             {settings.gateway_url}
  chat_service        {settings.chat_address}
  automation_service  {settings.automation_address}
  model               {model}
  logs                {logs}
  token               in {ready} as "token", and from: {python} -m devstack token

Open the page and say “Every minute, tell me a joke.” Approve the card: within a minute the
result is in the conversation and in the inbox. Or try in another terminal:

  {bin}/rota chat --message "Every minute, tell me a joke." --approve
  {bin}/rota inbox watch

  eval "$({python} -m devstack env)"

  {bin}/grpcurl -plaintext -protoset gateway/rota.binpb \\
    -H "authorization: Bearer $ROTA_TOKEN" -d '{{"parent": "workspaces/dev"}}' \\
    {gateway} rota.automation.v1.AutomationService/ListAutomations

  curl -N -H "authorization: Bearer $ROTA_TOKEN" -H 'content-type: application/json' \\
    -d '{{"message": {{"parts": [{{"text": "Every weekday at 9 in Paris, summarise the news."}}]}},
         "request_id": "'$(cat /proc/sys/kernel/random/uuid)'"}}' \\
    {settings.gateway_url}/v1/workspaces/dev/threads/-:sendMessage

Ctrl-C stops everything."""


def render(settings: Settings, token: str) -> str:
    folder = Path(sys.executable).parent
    return _TEXT.format(
        settings=settings,
        token=token,
        model="demo (offline, rule-based)" if settings.demo_model else "as OPENAI_BASE_URL says",
        logs=_short(settings.logs),
        ready=_short(settings.state_dir / READY),
        python=_short(folder / "python"),
        bin=_short(folder),
        gateway=settings.gateway_url.removeprefix("http://"),
    )


def _short(path: Path) -> str:
    """Returns the path relative to the working folder when it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
