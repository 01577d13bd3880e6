"""What a person is asked: a line, a decision, an edit in their editor."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from rota_client import decisions, plain
from rota_client.gen.rota.chat.v1 import Approval, Decision
from rota_client.terminal.card import card
from rota_client.terminal.screen import Screen

_CHOICES = "[a]pprove / [e]dit / [r]eject / [l]ater: "


def ask(prompt: str) -> str | None:
    """A line, None at the end of the input. Only a terminal sees the prompt."""
    try:
        return input(prompt if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None


class Deciding:
    """One approval and what was made of it so far."""

    def __init__(self, screen: Screen, approval: Approval) -> None:
        self.approval = approval
        self._screen = screen
        self._draft = plain.dump(plain.struct(approval.payload), ordered=True)
        self._shown = False

    def decide(self) -> Decision | None:
        """Asks until there is a decision; None: later."""
        if not self._shown:
            self._screen.show(card(self.approval))
            self._shown = True
        while True:
            match ask(_CHOICES):
                case None | "l" | "later":
                    return None
                case "a" | "approve":
                    return decisions.approve(self.approval)
                case "r" | "reject":
                    return decisions.reject(self.approval, ask("Why? ") or "")
                case "e" | "edit":
                    if (payload := self._edited()) is not None:
                        return decisions.edit(self.approval, payload)
                case _:
                    self._screen.note("say a, e, r or l")

    def _edited(self) -> dict[str, Any] | None:
        """What the editor left, which the next edit starts from; None when it is no JSON object or
        says nothing new."""
        try:
            self._draft = edited(self._draft)
            payload = json.loads(self._draft)
        except OSError as exc:
            self._screen.note(f"the editor did not start: {exc.strerror}; set EDITOR")
            return None
        except subprocess.CalledProcessError as exc:
            self._screen.note(f"the editor ended with {exc.returncode}; nothing was changed")
            return None
        except json.JSONDecodeError as exc:
            self._screen.note(f"no JSON at line {exc.lineno}, column {exc.colno}: {exc.msg}")
            return None
        if not isinstance(payload, dict):
            self._screen.note("the payload is an object: {…}")
            return None
        if payload == plain.struct(self.approval.payload):
            self._screen.note("nothing was changed")
            return None
        return payload


def edited(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` after VISUAL or EDITOR (else vi) had it. Raises OSError or CalledProcessError."""
    env = os.environ if environ is None else environ
    editor = shlex.split(env.get("VISUAL") or env.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="rota-") as folder:
        path = Path(folder, "payload.json")
        path.write_text(text + "\n", encoding="utf-8")
        subprocess.run([*editor, str(path)], check=True)
        return path.read_text(encoding="utf-8").rstrip("\n")


def greet(screen: Screen) -> None:
    screen.show(Text("Say what should happen. /quit leaves, Ctrl-C cancels.", style="dim"))
