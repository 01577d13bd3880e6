"""What an inbox gets: once for each id, within limits, and only for members."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.inbox.items import (
    CUT,
    InboxItemKind,
    NewInboxItem,
    add_items,
    fit_item,
)
from automation_service.persistence import inbox as rows
from shared.db import database
from shared.registries.actions.deliver import MAX_BODY, MAX_SUBJECT
from shared.text.snippet import MAX_SNIPPET
from tests.support.system.automation import START, execute

ADA = rows.InboxOwner(workspace="w", user="ada")


def item(number: int, *, user: str = "ada", **fields: Any) -> NewInboxItem:
    return NewInboxItem(
        id=UUID(int=number),
        workspace="w",
        user=user,
        kind=InboxItemKind.RESULT,
        subject=fields.pop("subject", f"result {number}"),
        create_time=START,
        **fields,
    )


@pytest.fixture
async def members(url: str) -> None:
    """ada is a member of w, bob was one, and eve is one elsewhere."""
    await execute(url, "insert into workspaces select w, now() from unnest('{w,v}'::text[]) w")
    await execute(
        url, "insert into users select u, u, 'UTC', now() from unnest('{ada,bob,eve}'::text[]) u"
    )
    await execute(
        url,
        "insert into memberships (workspace_id, user_id, role, seen_time, revoked_time) values"
        " ('w', 'ada', 'viewer', now(), null), ('w', 'bob', 'owner', now(), now()),"
        " ('v', 'eve', 'owner', now(), null)",
    )


@pytest.fixture
async def connection(db: AsyncEngine, members: None) -> AsyncIterator[AsyncConnection]:
    async with database.transaction(db) as made:
        yield made


async def held(connection: AsyncConnection) -> list[rows.InboxItem]:
    return await rows.page(connection, ADA, size=50, after=None, full=True)


async def test_a_repeat_adds_nothing(connection: AsyncConnection) -> None:
    assert await add_items(connection, [item(1), item(2), item(2)]) == {UUID(int=1), UUID(int=2)}
    assert await add_items(connection, [item(2, subject="other"), item(3)]) == {UUID(int=3)}
    assert [found.subject for found in await held(connection)] == [
        "result 3",
        "result 2",
        "result 1",
    ]
    assert await add_items(connection, []) == frozenset()


async def test_who_is_no_member_is_left_out_and_undoes_nothing(connection: AsyncConnection) -> None:
    given = [item(1), *(item(2 + n, user=user) for n, user in enumerate(("bob", "eve", "nobody")))]
    assert await add_items(connection, given) == {UUID(int=1)}
    assert len(await held(connection)) == 1


async def test_an_item_is_gone_with_the_transaction_that_added_it(
    db: AsyncEngine, members: None
) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction(db) as connection:
            await add_items(connection, [item(1)])
            raise RuntimeError
    async with db.connect() as connection:
        assert await held(connection) == []


async def test_no_text_makes_it_fail(connection: AsyncConnection) -> None:
    odd = "\0\ud800‮<script>\n![x](http://evil.example/)"
    await add_items(connection, [item(1, subject=odd * 50, body=odd), item(2, body="é" * 200_000)])
    long, hostile = await held(connection)
    assert len(hostile.subject) == MAX_SUBJECT
    assert hostile.body == "��‮<script>\n![x](http://evil.example/)"
    assert len(long.body.encode()) <= MAX_BODY
    assert long.body.endswith(CUT)


async def test_many_items_are_added_at_once(connection: AsyncConnection) -> None:
    many = [item(n) for n in range(1, 1200)]
    assert len(await add_items(connection, many)) == len(many)


@pytest.mark.parametrize(
    ("body", "snippet"),
    [
        ("", ""),
        ("\n\n---\n## Trains are late\nmore", "Trains are late"),
        ("> * 3. **three** of them", "3. **three** of them"),
        ("12) one", "one"),
        ("a" * 500, "a" * (MAX_SNIPPET - 1) + "…"),
        ("***\n" * 500, ""),
    ],
)
def test_a_snippet_is_the_first_line_that_says_something(body: str, snippet: str) -> None:
    assert fit_item(item(1, body=body)).snippet == snippet
