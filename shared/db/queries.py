"""Parts of queries that both services write."""

from typing import Any

import sqlalchemy as sa


def compare(column: Any, operator: str, value: Any) -> sa.ColumnElement[bool]:
    """Returns one comparison of a filter, with an operator as AIP-160 writes it."""
    found: sa.ColumnElement[bool] = column.op(operator.replace("!=", "<>"), is_comparison=True)(
        value
    )
    return found
