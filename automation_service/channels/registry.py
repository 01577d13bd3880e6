"""Every channel, by its kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from automation_service.channels.channel import Channel
from automation_service.channels.kinds.discord import DISCORD
from automation_service.channels.kinds.email import EMAIL
from automation_service.channels.kinds.matrix import MATRIX
from automation_service.channels.kinds.ntfy import NTFY
from automation_service.channels.kinds.pushover import PUSHOVER
from automation_service.channels.kinds.slack import SLACK
from automation_service.channels.kinds.teams import TEAMS
from automation_service.channels.kinds.telegram import TELEGRAM
from automation_service.channels.kinds.webhook import WEBHOOK

CHANNELS: Final[Mapping[str, Channel]] = MappingProxyType(
    {
        channel.kind: channel
        for channel in (
            EMAIL,
            SLACK,
            DISCORD,
            TEAMS,
            TELEGRAM,
            MATRIX,
            NTFY,
            PUSHOVER,
            WEBHOOK,
        )
    }
)
