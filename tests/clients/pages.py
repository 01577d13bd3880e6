"""Lists in pages, as a server may give them: short, and sometimes empty before the end."""

from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")
SIZE = 2


def page(items: Sequence[T], request: Any) -> tuple[Sequence[T], str]:
    """Returns at most two items, and the token of the next page. Before each but the first page
    comes an empty one."""
    token = request.page_token
    if token.startswith("empty-"):
        return [], token.removeprefix("empty-")
    start = int(token or 0)
    end = start + min(request.page_size, SIZE)
    return items[start:end], f"empty-{end}" if end < len(items) else ""
