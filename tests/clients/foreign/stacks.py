"""The stacks: what each needs on this machine, how its code is made, and how it runs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[3]
HERE: Final = Path(__file__).parent
BUF: Final = ROOT / ".venv" / "bin" / "buf"
BUILD_SECONDS: Final = 900
GO_PATH: Final = "/usr/share/gocode"  # where Debian's Go libraries are
_RUBY: Final = ("ruby", "-e", "require 'grpc'")
_GO_LIBRARY: Final = Path(GO_PATH, "src/google.golang.org/grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """`lacks` names what is not on this machine; `build` fills a folder and gives the command.

    The command takes an address, a token, a workspace, and a new request id: a UUID. One that
    `reads_protos` takes their folder in place of the id.
    """

    name: str
    lacks: Callable[[], str]
    build: Callable[[Path], Sequence[object]]
    reads_protos: bool = False


def run(command: Sequence[object], folder: Path, **more: str) -> str:
    """Returns what it prints. Raises RuntimeError with what it says when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def generate(folder: Path, *plugins: Mapping[str, Any], status: bool = True) -> None:
    """Writes code of the public services into the folder, without what only servers read.

    With `status` also that of google.rpc, which some stacks have in a library.
    """
    # As for the page.
    excluded = yaml.safe_load((ROOT / "buf.gen.web.yaml").read_text())["inputs"][0]["exclude_types"]
    paths = [f"proto/rota/{package}" for package in ("chat", "automation", "errors")]
    given = {
        "directory": ".",
        "paths": paths + ["proto/third_party/google/rpc"] * status,
        "exclude_types": excluded,
    }
    template = {"version": "v2", "inputs": [given], "plugins": list(plugins)}
    run([BUF, "generate", "--template", json.dumps(template), "-o", folder], ROOT)


def _missing(*programs: str) -> str:
    return ", ".join(name for name in programs if shutil.which(name) is None)


def _grpcio(folder: Path) -> Sequence[object]:
    return [sys.executable, HERE / "grpcio_client.py"]


def _npm(folder: Path, *packages: str) -> None:
    (folder / "package.json").write_text('{"type": "module"}')
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", *packages], folder)


def _grpc_js(folder: Path) -> Sequence[object]:
    _npm(folder, "@grpc/grpc-js@1", "@grpc/proto-loader@0.8", "protobufjs@7")
    return ["node", shutil.copy(HERE / "grpc_js.mjs", folder)]


def _connect_node(folder: Path) -> Sequence[object]:
    packages = ("connect", "connect-node")
    _npm(
        folder,
        *(f"@connectrpc/{name}@2.2.0" for name in packages),
        "@bufbuild/protobuf@2.17.0",
        "@bufbuild/protoc-gen-es@2.17.0",
    )
    plugin = str(folder / "node_modules/.bin/protoc-gen-es")
    options = ["target=js", "import_extension=js"]
    generate(folder, {"local": plugin, "out": "gen", "opt": options})
    return ["node", shutil.copy(HERE / "connect_node.mjs", folder)]


def _ruby(folder: Path) -> Sequence[object]:
    generate(
        folder,
        {"protoc_builtin": "ruby", "out": "gen"},
        {"local": "grpc_ruby_plugin", "out": "gen"},
    )
    return ["ruby", "-I", folder / "gen", HERE / "client.rb"]


def _go(folder: Path) -> Sequence[object]:
    source = folder / "src" / "client"
    source.mkdir(parents=True)
    plugins = [{"local": name, "out": "src"} for name in ("protoc-gen-go", "protoc-gen-go-grpc")]
    generate(folder, *plugins, status=False)
    shutil.copy(HERE / "client.go", source)
    # Debian's libraries stand in a path, not in modules.
    told = {"GO111MODULE": "off", "GOPATH": f"{folder}:{GO_PATH}", "GOFLAGS": ""}
    run(["go", "build", "-o", folder / "foreign", "client"], folder, **told)
    return [folder / "foreign"]


def _cpp(folder: Path) -> Sequence[object]:
    generate(
        folder,
        {"protoc_builtin": "cpp", "out": "gen"},
        {"local": "grpc_cpp_plugin", "out": "gen"},
    )
    sources = [path for path in (folder / "gen").rglob("*.cc") if "/automation/" not in str(path)]
    flags = run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"], folder).split()
    command = ["g++", "-std=c++17", "-O0", "-I", "gen", "-o", "foreign", HERE / "client.cc"]
    run([*command, *sources, *flags], folder)
    return [folder / "foreign"]


def _without(program: Sequence[str]) -> str:
    if _missing(program[0]):
        return program[0]
    done = subprocess.run(program, capture_output=True, timeout=60)
    return "" if done.returncode == 0 else " ".join(program)


STACKS: Final = (
    Stack(name="grpcio", lacks=str, build=_grpcio),
    Stack(name="grpc-js", lacks=lambda: _missing("node", "npm"), build=_grpc_js, reads_protos=True),
    Stack(name="connect-node", lacks=lambda: _missing("node", "npm"), build=_connect_node),
    Stack(
        name="ruby",
        lacks=lambda: _missing("grpc_ruby_plugin", "protoc") or _without(_RUBY),
        build=_ruby,
    ),
    Stack(
        name="go",
        lacks=lambda: (
            _missing("go", "protoc-gen-go", "protoc-gen-go-grpc")
            or ("" if _GO_LIBRARY.exists() else str(_GO_LIBRARY))
        ),
        build=_go,
    ),
    Stack(
        name="c++",
        lacks=lambda: (
            _missing("g++", "protoc", "grpc_cpp_plugin", "pkg-config")
            or _without(("pkg-config", "--exists", "grpc++"))
        ),
        build=_cpp,
    ),
)
