"""Prompts: a line of text, a decision, an edit in the person's editor."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from rota_client import decisions, errors, json_format, message_parser
from rota_client.gen.rota.chat.v1 import Approval, Decision
from rota_client.terminal.card import card
from rota_client.terminal.screen import Screen

_CHOICES = "[a]pprove / [e]dit / [r]eject / [l]ater: "


class Quit(Exception):
    """The person typed /quit."""


def prompt_line(prompt: str) -> str | None:
    """Reads a line; None at the end of the input. Prints the prompt on a terminal only.

    Raises Quit for /quit.
    """
    try:
        line = input(prompt if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None
    if line == "/quit":
        raise Quit
    return line


class ApprovalPrompt:
    """The prompt for one approval; it keeps the edited payload between prompts.

    `preview` returns the card of an edit, which is shown before its approval is asked for. It
    raises RotaError.
    """

    def __init__(
        self, screen: Screen, approval: Approval, preview: Callable[[Decision], Approval]
    ) -> None:
        self.approval = approval
        self._screen = screen
        self._preview = preview
        self._edited: Decision | None = None
        self._draft = json_format.dump_json(
            json_format.struct_to_dict(approval.payload), ordered=True
        )
        self._shown = False

    def decide(self) -> Decision | None:
        """Prompts until the person decides; None means later. Raises Quit."""
        if not self._shown:
            self._screen.show(card(self.approval))
            self._shown = True
        while True:
            match prompt_line(_CHOICES):
                case None | "l" | "later":
                    return None
                case "a" | "approve":
                    return self._edited or decisions.approve(self.approval)
                case "r" | "reject":
                    return decisions.reject(self.approval, prompt_line("Why? ") or "")
                case "e" | "edit":
                    if (decision := self._edit()) is not None:
                        self._show_edit(decision)
                case _:
                    self._screen.note("say a, e, r or l")

    def _show_edit(self, decision: Decision) -> None:
        """Shows the card of an edit. What was shown last is what an approval approves."""
        try:
            edited = self._preview(decision)
        except errors.Unimplemented:
            self._screen.warn(
                "this server does not check an edit; the warnings above are from before it"
            )
            payload = decision.edit.payload if decision.edit is not None else None
            edited = replace(self.approval, edited_payload=payload, preview=None)
        except errors.FailedPrecondition:  # it is decided or has expired
            raise
        except errors.RotaError as refused:
            self._screen.error(refused)
            return
        self._edited = decision
        self._screen.show(card(edited))

    def _forget_edit(self) -> None:
        if self._edited is not None:
            self._edited = None
            self._screen.show(card(self.approval))

    def _edit(self) -> Decision | None:
        """Edits the draft, which the next edit starts from; returns None when the result is no JSON
        object, can't be sent or changes nothing."""
        try:
            self._draft = edit_text(self._draft)
            payload = message_parser.parse_object(self._draft)
            if payload == json_format.struct_to_dict(self.approval.payload):
                self._forget_edit()
                raise BadEdit("nothing was changed")
            decision = decisions.edit(self.approval, payload)
        except OSError as exc:
            self._screen.note(f"the editor did not start: {exc.strerror}; set EDITOR")
        except subprocess.CalledProcessError as exc:
            self._screen.note(f"the editor ended with {exc.returncode}; nothing was changed")
        except (BadEdit, message_parser.BadJson) as exc:
            self._screen.note(str(exc))
        else:
            return decision
        return None


class BadEdit(Exception):
    """An edit can't be used; the message is for a person."""


def edit_text(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Edits `text` in VISUAL, EDITOR or vi. Raises OSError, CalledProcessError or BadEdit."""
    env = os.environ if environ is None else environ
    named = env.get("VISUAL") or env.get("EDITOR") or "vi"
    try:
        editor = shlex.split(named)
    except ValueError as exc:
        raise BadEdit(f"EDITOR is no command: {exc}") from None
    with tempfile.TemporaryDirectory(prefix="rota-") as folder:
        path = Path(folder, "payload.json")
        path.write_text(text + "\n", encoding="utf-8")
        subprocess.run([*editor, str(path)], check=True)
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except UnicodeDecodeError:
            raise BadEdit("the editor wrote text that is not UTF-8") from None


def print_welcome(screen: Screen) -> None:
    screen.show(Text("Say what should happen. /quit leaves, Ctrl-C cancels.", style="dim"))
