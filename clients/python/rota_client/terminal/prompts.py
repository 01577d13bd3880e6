"""Prompts: a line of text, a decision, an edit in the person's editor."""

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

from rota_client import decisions, json_format
from rota_client.gen.rota.chat.v1 import Approval, Decision
from rota_client.terminal.card import card
from rota_client.terminal.screen import Screen

_CHOICES = "[a]pprove / [e]dit / [r]eject / [l]ater: "


def prompt_line(prompt: str) -> str | None:
    """Reads a line; None at the end of the input. Prints the prompt on a terminal only."""
    try:
        return input(prompt if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None


class ApprovalPrompt:
    """The prompt for one approval; it keeps the edited payload between prompts."""

    def __init__(self, screen: Screen, approval: Approval) -> None:
        self.approval = approval
        self._screen = screen
        self._draft = json_format.dump_json(
            json_format.struct_to_dict(approval.payload), ordered=True
        )
        self._shown = False

    def decide(self) -> Decision | None:
        """Prompts until the person decides; None means later."""
        if not self._shown:
            self._screen.show(card(self.approval))
            self._shown = True
        while True:
            match prompt_line(_CHOICES):
                case None | "l" | "later":
                    return None
                case "a" | "approve":
                    return decisions.approve(self.approval)
                case "r" | "reject":
                    return decisions.reject(self.approval, prompt_line("Why? ") or "")
                case "e" | "edit":
                    if (payload := self._edit()) is not None:
                        return decisions.edit(self.approval, payload)
                case _:
                    self._screen.note("say a, e, r or l")

    def _edit(self) -> dict[str, Any] | None:
        """Edits the draft, which the next edit starts from; returns None when the result is no JSON
        object or changes nothing."""
        try:
            self._draft = edit_text(self._draft)
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
        if payload == json_format.struct_to_dict(self.approval.payload):
            self._screen.note("nothing was changed")
            return None
        return payload


def edit_text(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Edits `text` in VISUAL, EDITOR or vi. Raises OSError or CalledProcessError."""
    env = os.environ if environ is None else environ
    editor = shlex.split(env.get("VISUAL") or env.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="rota-") as folder:
        path = Path(folder, "payload.json")
        path.write_text(text + "\n", encoding="utf-8")
        subprocess.run([*editor, str(path)], check=True)
        return path.read_text(encoding="utf-8").rstrip("\n")


def print_welcome(screen: Screen) -> None:
    screen.show(Text("Say what should happen. /quit leaves, Ctrl-C cancels.", style="dim"))
