"""Who takes a delivery: a thread of chat_service, or a destination of the workspace."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import ChannelPorts
from automation_service.channels.message import ABSENT, ChannelMessage, MessageFormat
from automation_service.channels.registry import CHANNELS
from automation_service.channels.settings import SettingsRefused, WebhookSettings
from automation_service.deliveries.inbox_items import add_to_thread, add_without_thread
from automation_service.deliveries.worker import AttemptAnswer, Recipient
from automation_service.destinations import access
from automation_service.destinations.delivery_target import (
    OpenDestination,
    open_destination,
    record_error,
    record_outcome,
)
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.notices.links import build_link
from automation_service.persistence import automations as automation_rows
from automation_service.persistence import runs as run_rows
from automation_service.persistence.enums import DestinationState
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox.deliveries import Delivery
from automation_service.runs.agent_client import ThreadResult
from shared import errors, resources
from shared.security.caller import ROLES_THAT_ACT

NO_DESTINATION: Final = "there is no such destination"
REMOVED: Final = "there is no such destination any more: another one has its name"
NO_THREAD: Final = rows.NO_THREAD
NO_USER: Final = "the person the automation acted for may not write there any more"
PAUSED: Final = "the destination is paused"
UNVERIFIED: Final = "the destination takes no results until its address is verified"
NOT_ALLOWED: Final = "its settings are not allowed any more"
NO_KEY: Final = "the service has no key that reads its secrets"


class ThreadAgent(Protocol):
    async def add_result(
        self, result: ThreadResult, *, thread: str, workspace: str, user: str
    ) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """`page_url` is where people open the page; without it messages have no links."""

    db: AsyncEngine
    agent: ThreadAgent
    secrets: DestinationSecrets
    ports: ChannelPorts
    page_url: str = ""

    async def find(self, delivery: Delivery) -> Recipient:
        """Returns who takes a delivery, or a refusal that says why nobody does."""
        if _find_part(delivery, resources.THREAD, "thread"):
            async with self.db.connect() as connection:
                name = await automation_rows.find_display_name(connection, delivery.automation_id)
            return ThreadRecipient(agent=self.agent, display_name=name)
        if destination_id := _find_part(delivery, resources.DESTINATION, "destination"):
            return await self._find_destination(delivery, destination_id)
        return Refusal(ChannelAnswer.refused(NO_DESTINATION))

    async def _find_destination(self, delivery: Delivery, destination_id: str) -> Recipient:
        output: Any = ABSENT
        try:
            async with self.db.connect() as connection:
                found = await open_destination(
                    connection, delivery.workspace, destination_id, secrets=self.secrets
                )
                reason = await _find_reason(connection, delivery, found)
                if found is not None and not reason and _wants_output(found):
                    output = await _find_output(connection, delivery)
        except errors.EncryptionUnavailable:
            # The key may come back.
            return Refusal(ChannelAnswer(error=NO_KEY))
        except SettingsRefused:
            return Refusal(ChannelAnswer.refused(NOT_ALLOWED))
        if found is None or reason:
            return Refusal(ChannelAnswer.refused(reason or NO_DESTINATION))
        return ChannelRecipient(
            destination=found, ports=self.ports, page_url=self.page_url, output=output
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stands for a recipient that takes nothing."""

    answer: ChannelAnswer

    async def send(self, delivery: Delivery) -> ChannelAnswer:
        return self.answer

    async def record(
        self,
        connection: AsyncConnection,
        tried: Delivery,
        answer: AttemptAnswer,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Does nothing: nobody was asked."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRecipient:
    agent: ThreadAgent
    display_name: str

    async def send(self, delivery: Delivery) -> ChannelAnswer:
        if delivery.user is None:
            return ChannelAnswer.refused(NO_USER)
        result = ThreadResult(
            delivery=delivery.resource,
            automation_display_name=self.display_name,
            subject=delivery.subject,
            body=delivery.body,
            format=cast(MessageFormat, delivery.format),
        )
        try:
            await self.agent.add_result(
                result,
                thread=delivery.destination,
                workspace=delivery.workspace,
                user=delivery.user,
            )
        except errors.ResourceNotFound:
            return ChannelAnswer.refused(NO_THREAD)
        except errors.CreatorAccessLost:
            return ChannelAnswer.refused(NO_USER)
        except errors.RotaError as error:
            if error.code is errors.Code.NOT_FOUND:
                return ChannelAnswer.refused(NO_THREAD)
            return ChannelAnswer(error=error.message)
        return ChannelAnswer()

    async def record(
        self,
        connection: AsyncConnection,
        tried: Delivery,
        answer: AttemptAnswer,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Has the inbox count what has arrived in the thread, or keep what has no thread."""
        if tried.user is None:
            return True
        if not answer.error:
            await add_to_thread(connection, tried, user=tried.user, now=now)
        elif answer.error == NO_THREAD:
            await add_without_thread(connection, tried, user=tried.user, now=now)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRecipient:
    """A destination, by the channel of its kind. `output` is that of the run if it asks for it."""

    destination: OpenDestination
    ports: ChannelPorts
    page_url: str
    output: Any

    async def send(self, delivery: Delivery) -> ChannelAnswer:
        message = ChannelMessage(
            id=delivery.id,
            subject=delivery.subject,
            body=delivery.body,
            format=cast(MessageFormat, delivery.format),
            time=delivery.create_time,
            link=build_link(self.page_url, delivery.link or delivery.run_name),
            automation=delivery.automation_name,
            run=delivery.run_name,
            workspace=resources.WORKSPACE.format(workspace=delivery.workspace),
            output=self.output,
            event_type=delivery.event_type,
        )
        channel = CHANNELS[self.destination.kind.value]
        return await channel.send(self.destination.settings, message, self.ports)

    async def record(
        self,
        connection: AsyncConnection,
        tried: Delivery,
        answer: AttemptAnswer,
        now: datetime,
        *,
        ends: bool,
    ) -> bool:
        """Shows the error at the destination, counts failures, and pauses one that is dead."""
        if not ends:
            await record_error(connection, self.destination, answer.error)
            return True
        return await record_outcome(
            connection, self.destination, error=answer.error, gone=answer.is_gone, now=now
        )


async def _find_reason(
    connection: AsyncConnection, delivery: Delivery, found: OpenDestination | None
) -> str:
    """Says why a destination takes a delivery no more, or not now; empty if it does."""
    if found is None or not access.may_deliver(delivery.user, found.owner):
        # To anybody else a personal destination does not exist.
        return NO_DESTINATION
    if delivery.create_time < found.create_time:
        return REMOVED
    if not await _has_role(connection, delivery):
        return NO_USER
    if found.state is DestinationState.PAUSED:
        return f"{PAUSED}: {found.pause_reason}" if found.pause_reason else PAUSED
    return UNVERIFIED if found.state is DestinationState.UNVERIFIED else ""


async def _has_role(connection: AsyncConnection, delivery: Delivery) -> bool:
    """Whether its user has the role that it needs now: an editor's for results, any for notices."""
    if delivery.user is None:
        return False
    role = await rows.find_user_role(connection, delivery.workspace, delivery.user)
    return role in ROLES_THAT_ACT if delivery.event_type == rows.RESULT else bool(role)


def _wants_output(found: OpenDestination) -> bool:
    return isinstance(found.settings, WebhookSettings) and found.settings.include_output


async def _find_output(connection: AsyncConnection, delivery: Delivery) -> Any:
    """Returns the output that is delivered; ABSENT once the run is not kept any more."""
    if delivery.run is None:
        return ABSENT
    output, is_found = await run_rows.find_step_output(
        connection, delivery.run, delivery.output_step_id
    )
    return output if is_found else ABSENT


def _find_part(delivery: Delivery, name: resources.Pattern, part: str) -> str:
    """Returns a segment of where it goes; empty unless that is such a name of its workspace."""
    parts = name.match(delivery.destination, workspace=delivery.workspace)
    return parts[part] if parts else ""
