"""What every worker of a fresh clone would compile alike, compiled once and on every core."""

import compileall
import contextlib
import multiprocessing
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from _pytest.assertion import rewrite
from hypothesis.configuration import storage_directory
from hypothesis.errors import HypothesisSideeffectWarning
from hypothesis.internal.constants_ast import constants_from_module

ROOT: Final = Path(__file__).parents[3]
_CODE: Final = (
    "shared", "chat_service", "automation_service", "gateway", "devstack", "clients/python",
    "bench", "tools",
)  # fmt: skip
# Fewer are compiled sooner by the workers.
_MANY: Final = 100


def compile_clone(config: pytest.Config) -> None:
    """Compiles tests and code and collects Hypothesis's constants, unless most of it is there."""
    tests = [file for file in _sources("tests") if rewrites(file)]
    stale = [file for file in tests if not is_rewritten(file)]
    if len(stale) < _MANY:
        return
    code = [file for folder in _CODE for file in _sources(folder)]
    others = [file for file in _sources("tests") if not rewrites(file)]
    # Made here, where no other process makes it at the same time. This early is meant.
    warnings.simplefilter("ignore", HypothesisSideeffectWarning)
    storage_directory("constants").create_if_missing()
    workers = os.cpu_count() or 1
    started = [
        multiprocessing.get_context("fork").Process(
            target=_compile,
            args=(stale[number::workers], code[number::workers], others[number::workers], config),
        )
        for number in range(workers)
    ]
    for worker in started:
        worker.start()
    for worker in started:
        worker.join()


def rewrites(file: Path) -> bool:
    """True for a file whose assertions pytest rewrites."""
    return file.name.startswith("test_") or file.name == "conftest.py"


def is_rewritten(file: Path) -> bool:
    with contextlib.suppress(OSError):
        return _compiled(file).stat().st_mtime >= file.stat().st_mtime
    return False


def rewrite_assertions(files: Sequence[Path], config: pytest.Config) -> None:
    """Leaves beside each file what pytest would leave when it imports it."""
    state = config.stash[rewrite.assertstate_key]
    for file in files:
        rewrite.try_makedirs(rewrite.get_cache_dir(file))
        source, code = rewrite._rewrite_test(file, config)
        rewrite._write_pyc(state, code, source, _compiled(file))


def _compile(
    tests: Sequence[Path], code: Sequence[Path], others: Sequence[Path], config: pytest.Config
) -> None:
    rewrite_assertions(tests, config)
    for file in (*code, *others):
        compileall.compile_file(file, quiet=2)
    for file in code:
        module = ModuleType(file.stem)
        module.__file__ = str(file)
        constants_from_module(module)


def _compiled(file: Path) -> Path:
    return rewrite.get_cache_dir(file) / (file.stem + rewrite.PYC_TAIL)


def _sources(folder: str) -> list[Path]:
    return [
        file for file in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in file.parts
    ]
