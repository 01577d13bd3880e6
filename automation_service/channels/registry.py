"""Every channel, by its kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from automation_service.channels.channel import Channel
from automation_service.channels.discord import DISCORD
from automation_service.channels.email import EMAIL
from automation_service.channels.matrix import MATRIX
from automation_service.channels.ntfy import NTFY
from automation_service.channels.pushover import PUSHOVER
from automation_service.channels.slack import SLACK
from automation_service.channels.teams import TEAMS
from automation_service.channels.telegram import TELEGRAM
from automation_service.channels.webhook import WEBHOOK

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
