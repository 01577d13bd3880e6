"""Secrets at rest: what opens them, and what does not."""

import base64

import pytest

from shared.security.secretbox import DecryptionError, InvalidKeys, SecretBox, new_key

SECRET = "sk-a-secret-that-nobody-reads-äöü"


def box(*keys: str) -> SecretBox:
    made = SecretBox.parse(",".join(keys))
    assert made is not None
    return made


def test_what_was_sealed_is_opened_where_it_belongs() -> None:
    sealer = box(new_key())
    sealed = sealer.seal(SECRET, bound_to="row 1")
    assert sealer.open(sealed, bound_to="row 1") == SECRET
    assert SECRET.encode() not in sealed


def test_sealed_twice_it_looks_different() -> None:
    sealer = box(new_key())
    assert sealer.seal(SECRET, bound_to="a") != sealer.seal(SECRET, bound_to="a")


def test_a_digest_tells_secrets_and_places_apart_under_a_key() -> None:
    sealer = box(new_key())
    digest = sealer.digest(SECRET, bound_to="a")
    assert digest == sealer.digest(SECRET, bound_to="a")
    others = [
        sealer.digest(f"{SECRET}x", bound_to="a"),
        sealer.digest(SECRET, bound_to="b"),
        sealer.digest(SECRET[1:], bound_to=f"a{SECRET[0]}"),
        box(new_key()).digest(SECRET, bound_to="a"),
    ]
    assert len({digest, *others}) == 5


def test_moved_to_another_place_it_does_not_open() -> None:
    sealer = box(new_key())
    with pytest.raises(DecryptionError):
        sealer.open(sealer.seal(SECRET, bound_to="row 1"), bound_to="row 2")


def test_a_changed_byte_anywhere_keeps_it_shut() -> None:
    sealer = box(new_key())
    sealed = sealer.seal(SECRET, bound_to="a")
    for index in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[index] ^= 1
        with pytest.raises(DecryptionError):
            sealer.open(bytes(damaged), bound_to="a")


@pytest.mark.parametrize("length", [0, 1, 5, 16, 17, 32])
def test_a_piece_of_it_does_not_open(length: int) -> None:
    sealer = box(new_key())
    with pytest.raises(DecryptionError):
        sealer.open(sealer.seal(SECRET, bound_to="a")[:length], bound_to="a")


def test_a_new_first_key_seals_and_the_old_one_still_opens() -> None:
    old, new = new_key(), new_key()
    before = box(old).seal(SECRET, bound_to="a")
    rotated = box(new, old)
    assert rotated.open(before, bound_to="a") == SECRET
    after = rotated.seal(SECRET, bound_to="a")
    assert box(new).open(after, bound_to="a") == SECRET
    assert not before.startswith(rotated.prefix)
    assert after.startswith(rotated.prefix)
    with pytest.raises(DecryptionError):
        box(new).open(before, bound_to="a")


def test_no_keys_are_no_box() -> None:
    assert SecretBox.parse("") is None
    assert SecretBox.parse("  ") is None


def test_both_alphabets_of_base64_are_read() -> None:
    raw = bytes(range(224, 256))
    plain, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert plain != safe
    sealed = box(plain).seal(SECRET, bound_to="a")
    assert box(safe.rstrip("=")).open(sealed, bound_to="a") == SECRET


@pytest.mark.parametrize("text", ["short", "c2hvcnQ=", "not base64 at all!", ",", "ü" * 43])
def test_keys_that_are_none_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(InvalidKeys) as caught:
        SecretBox.parse(text)
    assert text.strip(",") == "" or text not in str(caught.value)
