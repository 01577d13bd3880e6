"""A message as one text: subject, body, and a link to the whole of it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from automation_service.channels.markup.dialect import Dialect
from automation_service.channels.markup.document import (
    WrittenBlock,
    join_blocks,
    read_document,
    read_subject,
    safe_url,
    write_blocks,
)
from automation_service.channels.message import ChannelMessage
from shared.aio import ThreadShare, find_of_loop
from shared.registries.actions.deliver import MAX_SUBJECT

CUT = "The rest was cut."
OPEN = "Open in Rota"
READ_ALL = "Read all of it in Rota"
# Messages that are written at once, and those of one workspace.
WRITERS: Final = 2
WRITERS_OF_WORKSPACE: Final = 1
_THREADS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, ThreadShare]] = WeakKeyDictionary()

T = TypeVar("T")


async def write_message(message: ChannelMessage, dialect: Dialect, *, limit: int) -> str:
    """Returns subject and body in a dialect, at most `limit` by its count."""
    return await write_in_thread(message, partial(layout_text, message, dialect, limit=limit))


async def write_body(
    message: ChannelMessage, dialect: Dialect, *, limit: int, linked: bool = True
) -> str:
    """Returns the body alone; without `linked` the service shows the link elsewhere."""
    work = partial(layout_text, message, dialect, limit=limit, titled=False, linked=linked)
    return await write_in_thread(message, work)


async def write_in_thread(message: ChannelMessage, work: Callable[[], T]) -> T:
    """Writes a message in one of the threads for that, of which a workspace has one at a time."""
    return await find_of_loop(_THREADS, _open_threads).run(work, by=message.workspace)


def layout_text(
    message: ChannelMessage,
    dialect: Dialect,
    *,
    limit: int,
    titled: bool = True,
    linked: bool = True,
) -> str:
    """Takes long for a long body: call it in a thread."""
    blocks = layout_blocks(message, dialect, limit=limit, titled=titled, linked=linked)
    return join_blocks(blocks, dialect)


def layout_blocks(
    message: ChannelMessage, dialect: Dialect, *, limit: int, titled: bool, linked: bool
) -> list[WrittenBlock]:
    """Takes long for a long body: call it in a thread."""
    title: list[WrittenBlock] = []
    room = limit
    if titled:
        line = dialect.text(read_subject(message.subject, MAX_SUBJECT))
        title = [WrittenBlock(text=dialect.paragraph(dialect.strong(line)))]
        room -= dialect.size(title[0].text) + dialect.size(dialect.gap)
    # What is longer has no room in any dialect, unless most of it is markup.
    document = read_document(message.body, message.format, characters=2 * limit)
    ending, cut_ending = _write_endings(message, dialect, linked=linked)
    return title + write_blocks(document, dialect, limit=room, ending=ending, cut_ending=cut_ending)


def message_link(message: ChannelMessage) -> str:
    """Returns the message's link, or nothing if it is no address of http."""
    return safe_url(message.link) or "" if message.link else ""


def _write_endings(message: ChannelMessage, dialect: Dialect, *, linked: bool) -> tuple[str, str]:
    """Returns what stands below a whole body, and below one that is cut."""
    link = message_link(message) if linked else ""
    rest = dialect.text(CUT)
    if not link:
        return "", dialect.paragraph(rest)
    whole = dialect.paragraph(dialect.link(dialect.text(OPEN), link))
    return whole, dialect.paragraph(f"{rest} {dialect.link(dialect.text(READ_ALL), link)}")


def _open_threads() -> ThreadShare:
    return ThreadShare("writer", threads=WRITERS, share=WRITERS_OF_WORKSPACE)
