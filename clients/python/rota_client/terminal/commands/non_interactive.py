"""Chat and decisions for scripts, without prompts."""

from collections.abc import Callable, Sequence

import typer

from rota_client import decisions, json_format
from rota_client.gen.rota.chat.v1 import Approval, ApprovalState, Decision, TurnEvent
from rota_client.names import resource_id
from rota_client.terminal.card import card
from rota_client.terminal.commands.chat import Chat, Segment
from rota_client.terminal.commands.command import CommandContext, print_json
from rota_client.terminal.refusal import label_fields

Decide = Callable[[Approval], Decision]


def choose_decision(approve: bool, reject: str | None) -> Decide | None:
    if approve:
        return decisions.approve
    if reject is not None:
        return lambda shown: decisions.reject(shown, reject)
    return None


def print_frame(event: TurnEvent) -> None:
    print_json(json_format.to_dict(event), indent=None)


def send_message(
    chat: Chat, command: CommandContext, text: str, decide: Decide | None, *, as_json: bool
) -> None:
    """Sends `text` and decides its approvals; exits with 1 when the turn fails."""
    segment = chat.send(text)
    while segment.is_waiting:
        waiting = list(segment.approvals.values())
        if not as_json:
            for one in waiting:
                command.screen.show(card(one))
        if decide is None:
            if not as_json:
                command.screen.note(_hint(waiting))
            return
        segment = chat.resume(segment, [decide(one) for one in waiting])
    _end(segment)


def decide_approval(
    chat: Chat, command: CommandContext, name: str, decide: Decide, *, as_json: bool
) -> None:
    """Decides an approval; then watches the turn unless it waits for other approvals.

    Says of one that was decided before, in the same way, that it was.
    """
    approval = command.run(command.rota.get_approval(name))
    before = command.run(command.rota.get_turn(approval.turn))
    decision = decide(approval)
    with label_fields({approval.name: approval}, [decision]):
        decided = command.run(command.rota.decide_approval(decision))
    if approval.state != ApprovalState.PENDING:
        command.screen.warn(f"it was {approval.state.name.lower()} before; nothing was changed")
    if as_json:
        print_json(json_format.to_dict(decided))
        return
    command.screen.show(card(decided))
    after = command.run(command.rota.get_turn(approval.turn))
    waiting = [one for one in after.approvals if one.state == ApprovalState.PENDING]
    if waiting:
        command.screen.note(_hint(waiting))
        return
    segment = chat.watch(approval.turn, before.last_sequence)
    if segment.is_waiting:
        command.screen.note(_hint(list(segment.approvals.values())))
        return
    # a rejected turn whose approval was its last act may end cancelled, as asked
    _end(segment)


def _hint(waiting: Sequence[Approval]) -> str:
    return "waiting for: " + ", ".join(f"rota approve {resource_id(one.name)}" for one in waiting)


def _end(segment: Segment) -> None:
    if segment.kind in ("failed", "cancelled"):
        raise typer.Exit(1)
