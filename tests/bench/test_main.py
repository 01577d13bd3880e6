"""`python -m bench`."""

import sys

import pytest

from bench.__main__ import BENCHES, main


def test_an_unknown_benchmark_is_refused_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "schedule", "nope"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"there is no benchmark 'nope': choose from {', '.join(BENCHES)}" in said
