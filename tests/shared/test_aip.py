"""Pages, masks, digests and etags."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rota.automation.v1 import automation_pb2, webhook_pb2
from rota.chat.v1 import chat_pb2 as pb

from automation_service.automations import edits
from shared import aip, errors


def read(size: int = 0, token: str = "") -> aip.Page:
    """A page whose tokens are keys as they are."""
    after = json.loads(token) if token else None
    return aip.Page(size=size or aip.DEFAULT_PAGE, after=after, sign=str)


def test_the_last_page_has_no_token() -> None:
    assert read().token(None) == ""


def test_a_mask_names_what_changes() -> None:
    def masked(*paths: str) -> list[str]:
        return aip.resolve_mask(
            list(paths),
            allowed=["display_name", "uri"],
            present=["uri", "name"],
            prefix="thing",
            kind=webhook_pb2.Webhook,
        )

    assert masked() == ["uri"]
    assert masked("*") == ["display_name", "uri"]
    assert masked("uri") == ["uri"]
    with pytest.raises(errors.InvalidRequest):
        masked("uri", "create_time")


@pytest.mark.parametrize(
    ("path", "reason", "said"),
    [
        ("descripton", "UNKNOWN_FIELD", "does not exist (did you mean description?); allowed: "),
        ("displayName", "UNKNOWN_FIELD", "does not exist (did you mean display_name?); allowed: "),
        ("definition.gaol", "UNKNOWN_FIELD", "does not exist; allowed: "),
        ("name.first", "UNKNOWN_FIELD", "does not exist; allowed: "),
        ("definition.goal", "INVALID", "is changed with the whole of definition: name definition"),
        ("definition.plan.x", "INVALID", "is changed with the whole of definition"),
        ("*", "INVALID", "stands for all fields, so it can't stand beside others"),
        ("state", "IMMUTABLE", "is changed by PauseAutomation, ResumeAutomation and Archive"),
        ("name", "IMMUTABLE", "can't be changed; allowed: display_name, description, definition"),
    ],
)
def test_a_path_that_no_mask_has_is_told_why(path: str, reason: str, said: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        edits.update_automation({}, [path, "display_name"], kind=automation_pb2.Automation)
    (fault,) = refused.value.violations
    assert fault.reason.name == reason
    assert fault.description.startswith(f"automation.{path} {said}")


def test_a_token_gives_back_a_key_of_its_kind() -> None:
    row_id, moment = uuid4(), datetime(2026, 1, 1, tzinfo=UTC)
    assert read(token=read().token([row_id])).after_id() == row_id
    assert read(token=read().token([7])).after_number() == 7
    timed = read(token=read().token([moment, row_id]))
    assert timed.after_time_and_id() == (moment, row_id)


FORGED_KEYS: list[list[object]] = [
    [],
    ["x"],
    [None],
    [{}],
    [[]],
    [-1],
    [True],
    [1.0],
    [2**31],
    [2**63],
    [float("nan")],
    ["\0"],
    ["\ud800"],
    [1, 2, 3],
    ["2026-01-01", 5],
    [UUID(int=7).hex],
    [f"{{{UUID(int=7)}}}"],
    [str(UUID(int=0xABC)).upper()],
    ["2026-01-01", str(UUID(int=7))],
    ["2026-01-01 00:00:00", str(UUID(int=7))],
    ["2026-01-01T00:00:00+00:00", str(UUID(int=7))],
    ["2026-01-01 00:00:00+01:00", str(UUID(int=7))],
    ["0001-01-01 00:00:00+14:00", str(UUID(int=7))],
    ["9999-12-31 23:59:59-23:59", str(UUID(int=7))],
]


@pytest.mark.parametrize("key", FORGED_KEYS, ids=repr)
def test_a_key_of_another_kind_or_form_is_refused(key: list[object]) -> None:
    page = read(token=read().token(key))
    for read_key in (page.after_id, page.after_number, page.after_time_and_id):
        with pytest.raises(errors.InvalidRequest):
            read_key()


KEYS: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers(0, aip.MAX_KEY_NUMBER),
    str: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.just(UTC)),
}


@given(
    st.lists(st.sampled_from(sorted(KEYS, key=repr)), max_size=3).flatmap(
        lambda kinds: st.tuples(st.just(kinds), st.tuples(*(KEYS[kind] for kind in kinds)))
    )
)
def test_every_key_is_read_as_it_was_written(made: tuple[list[type], tuple[Any, ...]]) -> None:
    kinds, key = made
    assert read(token=read().token(key)).read_key(*kinds) == key


def thread(name: str) -> pb.Thread:
    return pb.Thread(display_name=name)


def names(threads: list[pb.Thread]) -> str:
    return "".join(thread.display_name for thread in threads)


def test_a_page_is_filled_from_one_row_more_than_its_size() -> None:
    shown, token = aip.fill_page(read(size=2), "abc", thread, lambda row: (row,))
    assert (names(shown), read(token=token).after) == ("ab", ["b"])
    assert aip.fill_page(read(size=3), "abc", thread, lambda row: (row,))[1] == ""
    assert aip.fill_page(read(), "", thread, lambda row: (row,)) == ([], "")


def test_a_page_ends_before_its_bytes_do_and_has_one_message_at_least() -> None:
    large = ["a" * 1_500_000, "b" * 1_500_000, "c" * 5_000_000, "d"]
    token, pages = "", []
    for start in (0, 2, 3):
        shown, token = aip.fill_page(read(), large[start:], thread, lambda row: (row[0],))
        pages.append([one.display_name[0] for one in shown])
        assert (token == "") is (start == 3)
    assert pages == [["a", "b"], ["c"], ["d"]]
    assert len(aip.fill_page(read(), "abc", thread, lambda row: (row,), max_bytes=0)[0]) == 1


@given(st.lists(st.binary(max_size=200), max_size=40), st.integers(1, 60), st.integers(1, 2_000))
def test_every_row_is_on_one_page_and_no_page_is_larger_than_allowed(
    rows: list[bytes], size: int, most: int
) -> None:
    numbered = list(enumerate(rows))
    seen: list[int] = []
    while True:
        shown, token = aip.fill_page(
            read(size=size),
            numbered[len(seen) : len(seen) + size + 1],
            lambda row: pb.Image(data=row[1], uri=str(row[0])),
            lambda row: (row[0],),
            max_bytes=most,
        )
        whole = pb.Message(parts=[pb.Part(image=image) for image in shown]).ByteSize()
        assert len(shown) <= 1 or whole <= most + 4 * len(shown)
        seen += [int(image.uri) for image in shown]
        if not token:
            break
        assert shown
    assert seen == list(range(len(rows)))


def test_a_list_in_memory_goes_on_after_its_last_item_wherever_that_is() -> None:
    def fill(items: str, token: str) -> tuple[str, str]:
        shown, more = aip.fill_page_of(read(size=2, token=token), items, thread, str)
        return names(shown), more

    seen, token = fill("abcde", "")
    assert seen == "ab"
    assert fill("abcde", token)[0] == "cd"
    assert fill("xaybcde", token)[0] == "cd"
    assert fill("bcde", token)[0] == "cd"
    assert fill("acde", token)[0] == "cd"  # from where it was: b is gone
    assert fill("", token) == ("", "")
    assert fill("abc", token) == ("c", "")


def test_a_digest_is_checked_when_it_is_given() -> None:
    aip.check_digest("", "ab", name="thing")
    aip.check_digest("AB", "ab", name="thing")
    with pytest.raises(errors.UpdateDigestMismatch):
        aip.check_digest("cd", "ab", name="thing")


def test_an_etag_is_checked_when_it_is_given() -> None:
    aip.check_etag("", "now", name="thing")
    aip.check_etag("now", "now", name="thing")
    with pytest.raises(errors.EtagMismatch):
        aip.check_etag("before", "now", name="thing")
