"""A list of the server, which comes in pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
MAX_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Items in the order of the list. `next_page_token` continues after them; empty: they are
    the last."""

    items: Sequence[T]
    next_page_token: str


class Pager(Generic[T]):
    """`async for item in pager` reads the whole list, each page when it is needed.

    A page of the server may be short, or empty, and not be the last.
    """

    def __init__(self, fetch: Callable[[int, str], Awaitable[Page[T]]], page_token: str) -> None:
        """`fetch` returns the page of at most a number of items that a token continues."""
        self._fetch = fetch
        self._page_token = page_token

    async def __aiter__(self) -> AsyncIterator[T]:
        token, more = self._page_token, True
        while more:
            page = await self._fetch(MAX_PAGE, token)
            for item in page.items:
                yield item
            token = page.next_page_token
            more = bool(token)

    async def take(self, limit: int) -> Page[T]:
        """Returns the first `limit` items as one page, from as many pages as needed."""
        found: list[T] = []
        token, more = self._page_token, True
        while more and len(found) < limit:
            page = await self._fetch(min(limit - len(found), MAX_PAGE), token)
            found += page.items
            token = page.next_page_token
            more = bool(token)
        return Page(items=found, next_page_token=token)
