"""Parts of queries."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.db.queries import newest_first

ROWS = sa.table("rows", sa.column("time", sa.DateTime), sa.column("id", sa.Uuid))


def write(query: "sa.Select[tuple[UUID]]") -> str:
    compiled = query.compile(compile_kwargs={"literal_binds": True})
    return " ".join(str(compiled).split())


def test_the_first_page_begins_at_the_greatest_key() -> None:
    query = newest_first(sa.select(ROWS.c.id), ROWS.c.time, ROWS.c.id, after=None, limit=3)
    expected = "SELECT rows.id FROM rows ORDER BY rows.time DESC, rows.id DESC LIMIT 3"
    assert write(query) == expected


def test_a_later_page_begins_after_the_whole_key() -> None:
    after: list[sa.ColumnElement[Any]] = [sa.literal_column("t"), sa.literal_column("i")]
    query = newest_first(sa.select(ROWS.c.id), ROWS.c.time, ROWS.c.id, after=after, limit=3)
    assert "WHERE (rows.time, rows.id) < (t, i) ORDER BY" in write(query)
