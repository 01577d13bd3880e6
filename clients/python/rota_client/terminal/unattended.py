"""Chat and decisions without anybody to ask: for scripts."""

from collections.abc import Callable, Sequence

import typer

from rota_client import decisions, plain
from rota_client.gen.rota.chat.v1 import Approval, ApprovalState, Decision, TurnEvent
from rota_client.names import last
from rota_client.terminal.card import card
from rota_client.terminal.command import Desk, print_json
from rota_client.terminal.talk import Segment, Talk

Decide = Callable[[Approval], Decision]


def decider(approve: bool, reject: str | None) -> Decide | None:
    if approve:
        return decisions.approve
    if reject is not None:
        return lambda shown: decisions.reject(shown, reject)
    return None


def print_frame(event: TurnEvent) -> None:
    print_json(plain.to_plain(event), indent=None)


def say_once(talk: Talk, desk: Desk, text: str, decide: Decide | None, *, as_json: bool) -> None:
    """Says `text`, decides what comes of it, and ends with 1 when the turn did not end well."""
    segment = talk.say(text)
    while segment.waits:
        waiting = list(segment.approvals.values())
        if not as_json:
            for one in waiting:
                desk.screen.show(card(one))
        if decide is None:
            if not as_json:
                desk.screen.note(_hint(waiting))
            return
        segment = talk.resume(segment.turn, [decide(one) for one in waiting])
    _end(segment)


def decide_one(talk: Talk, desk: Desk, name: str, decide: Decide, *, as_json: bool) -> None:
    """Decides what GetApproval shows now; then follows the turn, unless others are waited for."""
    approval = desk.run(desk.rota.get_approval(name))
    before = desk.run(desk.rota.get_turn(approval.turn))
    decided = desk.run(desk.rota.decide_approval(decide(approval)))
    if as_json:
        print_json(plain.to_plain(decided))
        return
    desk.screen.show(card(decided))
    after = desk.run(desk.rota.get_turn(approval.turn))
    waiting = [one for one in after.approvals if one.state == ApprovalState.PENDING]
    if waiting:
        desk.screen.note(_hint(waiting))
        return
    segment = talk.watch(approval.turn, before.last_sequence)
    if segment.waits:
        desk.screen.note(_hint(list(segment.approvals.values())))
        return
    # a rejected turn whose approval was its last act may end cancelled, as asked
    _end(segment)


def _hint(waiting: Sequence[Approval]) -> str:
    return "waiting for: " + ", ".join(f"rota approve {last(one.name)}" for one in waiting)


def _end(segment: Segment) -> None:
    if segment.kind in ("failed", "cancelled"):
        raise typer.Exit(1)
