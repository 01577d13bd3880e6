"""Generated code: what is stale is found, and finding it touches nothing."""

from pathlib import Path

import pytest

from tools import generate


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """What was just generated, and a tree that holds the same."""
    made, tree = tmp_path / "made", tmp_path / "tree"
    for root in (made, tree):
        for name in ("shared/gen/rota/a_pb2.py", "gateway/rota.binpb"):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("1")
    return made, tree


def test_equal_trees_differ_in_nothing(trees: tuple[Path, Path]) -> None:
    assert list(generate.differences(*trees)) == []


def test_changed_missing_and_leftover_files_are_found(trees: tuple[Path, Path]) -> None:
    made, tree = trees
    (tree / "gateway/rota.binpb").write_text("2")
    (made / "shared/gen/rota/b_pb2.py").write_text("")
    (tree / "shared/gen/rota/c_pb2.py").write_text("")
    assert list(generate.differences(made, tree)) == [
        "gateway/rota.binpb",
        "shared/gen/rota/b_pb2.py",
        "shared/gen/rota/c_pb2.py",
    ]


def test_an_update_makes_the_trees_equal(trees: tuple[Path, Path]) -> None:
    made, tree = trees
    (made / "shared/gen/rota/b_pb2.py").write_text("new")
    (tree / "shared/gen/rota/c_pb2.py").write_text("")
    for name in generate.differences(made, tree):
        generate.update(made / name, tree / name)
    assert list(generate.differences(made, tree)) == []
    assert (tree / "shared/gen/rota/b_pb2.py").read_text() == "new"
    assert not (tree / "shared/gen/rota/c_pb2.py").exists()
