"""Tables of automations, with the service's notes."""

from rich.console import Console

from rota_client.gen.rota.automation.v1 import Automation
from rota_client.terminal import tables

NAME = "workspaces/w/automations/a"
NOTES = ["It is finished: no fire is left.", "The trigger t is \u202eover."]


def shown(what: object) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def test_a_list_has_the_first_note_of_each() -> None:
    found = shown(tables.automations([Automation(name=NAME, notes=NOTES), Automation(name="b")]))
    assert "a: It is finished: no fire is left." in found
    assert "over" not in found


def test_one_has_all_its_notes() -> None:
    found = shown(tables.automation(Automation(name=NAME, notes=NOTES)))
    assert "It is finished: no fire is left." in found
    assert "The trigger t is " in found
    assert "\u202e" not in found
