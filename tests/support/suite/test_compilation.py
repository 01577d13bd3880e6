"""What is compiled ahead is what pytest reads."""

from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests.support.suite.compilation import is_rewritten, rewrite_assertions, rewrites


def test_what_is_rewritten_ahead_is_what_pytest_reads(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "test_sum.py"
    file.write_text("def test_sum():\n    assert 1 + 1 == 3\n")
    assert rewrites(file)
    assert not is_rewritten(file)
    rewrite_assertions([file], request.config)
    assert is_rewritten(file)
    compiled = rewrite.get_cache_dir(file) / f"{file.stem}{rewrite.PYC_TAIL}"
    code = rewrite._read_pyc(file, compiled)
    assert code is not None
    assert "@pytest_ar" in code.co_names


def test_only_what_pytest_rewrites_is_rewritten_ahead() -> None:
    assert rewrites(Path("tests/conftest.py"))
    assert not rewrites(Path("tests/support/system/pair.py"))
