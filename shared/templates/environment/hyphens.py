"""Step ids with hyphens, as people write them: `steps.fetch-news.output`."""

from collections.abc import Iterable, Iterator

_Token = tuple[int, str, str]
_NAMED = ("name", "integer", "float")


def join_hyphens(
    tokens: Iterable[_Token], ids: frozenset[str], names: frozenset[str] = frozenset()
) -> Iterator[_Token]:
    """Reads `steps.a-b` as `steps['a-b']` where `a-b` is one of the ids, and else as it stands.

    So it reads `previous.steps.a-b`.

    The longest id counts. A space ends an id, so `steps.a - b` stays a difference. With the
    `names` of all steps, `a-b` is also read as one where `a` is none of them: who wrote it meant
    a step that does not exist.
    """
    each = list(tokens)
    at = 0
    while at < len(each):
        yield each[at]
        at += 1
        dot = _skip_space(each, at)
        if each[at - 1][1:] != ("name", "steps") or not _is_dot(each, dot):
            continue
        if _is_dot(each, at - 2) and not _is_previous(each, at - 3):
            continue  # a member of something else
        last, written = _find_id(each, _skip_space(each, dot + 1), ids, names)
        if last is None:
            continue
        line = each[dot][0]
        yield line, "operator", "["
        yield line, "string", repr(written)
        yield line, "operator", "]"
        at = last + 1


def _find_id(
    each: list[_Token], first: int, ids: frozenset[str], names: frozenset[str]
) -> tuple[int | None, str]:
    """Returns the place of an id's last token and the id, the longest that stands there."""
    written, known, longest = "", (None, ""), (None, "")
    for at in range(first, len(each)):
        _, kind, value = each[at]
        if kind not in _NAMED and (kind, value) != ("operator", "-"):
            break
        written += value
        if written in ids:
            known = at, written  # type: ignore[assignment]
        if kind in _NAMED and "-" in written:
            longest = at, written  # type: ignore[assignment]
    if known[0] is None and names and each[first : first + 1] and each[first][2] not in names:
        return longest
    return known


def _skip_space(each: list[_Token], at: int) -> int:
    while at < len(each) and each[at][1] == "whitespace":
        at += 1
    return at


def _is_previous(each: list[_Token], at: int) -> bool:
    """Whether `previous` stands there, and is no member itself."""
    return at >= 0 and each[at][1:] == ("name", "previous") and not _is_dot(each, at - 1)


def _is_dot(each: list[_Token], at: int) -> bool:
    return 0 <= at < len(each) and each[at][1:] == ("operator", ".")
