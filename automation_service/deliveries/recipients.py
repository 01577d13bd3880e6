"""Who takes a delivery: a thread of chat_service, or a destination of the workspace."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.message import MessageFormat
from automation_service.deliveries.inbox_items import build_result_item
from automation_service.deliveries.worker import AttemptAnswer, Recipient
from automation_service.inbox.items import add_items
from automation_service.persistence.outbox import deliveries as rows
from automation_service.persistence.outbox.deliveries import Delivery
from automation_service.runs.agent_client import ThreadResult
from shared import errors, resources

NO_DESTINATION: Final = "there is no such destination"
NO_THREAD: Final = "there is no such thread"
NO_USER: Final = "whom the automation acted for may not write there any more"


class ThreadAgent(Protocol):
    async def add_result(
        self, result: ThreadResult, *, thread: str, workspace: str, user: str
    ) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    db: AsyncEngine
    agent: ThreadAgent

    async def find(self, delivery: Delivery) -> Recipient:
        """Returns who takes a delivery, or a refusal that says why nobody does."""
        if not _is_thread(delivery):
            return Refusal(ChannelAnswer.refused(NO_DESTINATION))
        async with self.db.connect() as connection:
            name = await rows.find_display_name(connection, delivery.automation_id)
        return ThreadRecipient(agent=self.agent, display_name=name)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stands for a recipient that takes nothing."""

    answer: ChannelAnswer

    async def send(self, delivery: Delivery) -> ChannelAnswer:
        return self.answer

    async def record(
        self, connection: AsyncConnection, ended: Delivery, answer: AttemptAnswer, now: datetime
    ) -> None:
        """Does nothing: nobody was asked."""


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
        self, connection: AsyncConnection, ended: Delivery, answer: AttemptAnswer, now: datetime
    ) -> None:
        """Has the inbox count what has arrived in the thread."""
        if not answer.error and ended.user is not None:
            item = build_result_item(ended, user=ended.user, now=now)
            await add_items(connection, [item])


def _is_thread(delivery: Delivery) -> bool:
    """Whether it goes to a thread of its own workspace."""
    try:
        parts = resources.THREAD.parse(delivery.destination)
    except errors.ResourceNotFound:
        return False
    return parts["workspace"] == delivery.workspace
