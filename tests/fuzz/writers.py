"""Writers of automations, in any order, against a model of what they promise.

The model is written from the contract alone: states, etags, revisions and request ids.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc_status import rpc_status
from rota.automation.v1 import automation_pb2 as ap

from tests.contract.rows import reason_of
from tests.contract.stage import Stage, new_id

M: Final = "AutomationService/"
State: Final = ap.Automation
TEXTS: Final = ("", "one", "two")
ETAGS: Final = ("none", "none", "none", "present", "former", "odd")
MOST: Final = 3  # automations at a time; of those that are deleted one stays


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller sees of an automation, but for its etag."""

    state: int = State.ACTIVE
    note: str = ""
    description: str = ""
    goal: str = ""
    revision: int = 1


@dataclass(slots=True)
class Known:
    """An automation of the model. `goals` are those of its revisions."""

    name: str
    etag: str
    shown: Shown
    former_etag: str = "former"
    goals: list[str] = field(default_factory=list)
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that took effect under its request_id."""

    method: str
    request: Any
    known: Known


class Writers:
    """Writes at random and raises AssertionError where an answer is not as the model has it."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._dice = Random(seed)
        self._every: list[Known] = []
        self._sent: list[Sent] = []
        self._acts = (
            self._create,
            self._describe,
            self._define,
            self._define,
            self._pause,
            self._resume,
            self._resume,
            self._archive,
            self._roll_back,
            self._roll_back,
            self._delete,
            self._repeat,
            self._repeat,
            self._reuse,
        )

    def write(self, steps: int) -> None:
        self._create()
        for _ in range(steps):
            self._dice.choice(self._acts)()
            self._compare(self._known())
        for known in self._every:
            self._compare(known)

    def _create(self) -> None:
        if len(self._every) == MOST:
            self._every.sort(key=lambda known: not known.deleted)
            self._every.pop(0)
        request = self._stage.creating(request_id=new_id())
        description, goal = self._dice.choice(TEXTS), self._dice.choice(TEXTS)
        request.automation.description = description
        _say_goal(request.automation, goal)
        made = self._stage.call(f"{M}CreateAutomation", request)
        shown = Shown(description=description, goal=goal)
        known = Known(name=made.name, etag=made.etag, shown=shown, goals=[goal])
        assert _shown(made) == shown
        self._every.append(known)
        self._sent.append(Sent(f"{M}CreateAutomation", request, known))

    def _describe(self) -> None:
        known, etag, text = self._known(), self._etag(), self._dice.choice(TEXTS)
        request = ap.UpdateAutomationRequest(
            automation=ap.Automation(name=known.name, description=text, etag=_etag(known, etag)),
            update_mask=FieldMask(paths=["description"]),
            request_id=new_id(),
        )
        after = replace(known.shown, description=text)
        self._write(f"{M}UpdateAutomation", request, known, etag, after)

    def _define(self) -> None:
        known, etag, goal = self._known(), self._etag(), self._dice.choice(TEXTS)
        automation = self._stage.drafted()
        automation.name, automation.etag = known.name, _etag(known, etag)
        _say_goal(automation, goal)
        request = ap.UpdateAutomationRequest(
            automation=automation,
            update_mask=FieldMask(paths=["definition"]),
            request_id=new_id(),
        )
        self._write(f"{M}UpdateAutomation", request, known, etag, _redefined(known, goal))

    def _pause(self) -> None:
        known, etag, note = self._known(), self._etag(), self._dice.choice(TEXTS)
        request = ap.PauseAutomationRequest(
            name=known.name, note=note, etag=_etag(known, etag), request_id=new_id()
        )
        after = replace(known.shown, state=State.PAUSED, note=note)
        self._write(f"{M}PauseAutomation", request, known, etag, after)

    def _resume(self) -> None:
        known, etag = self._known(), self._etag()
        request = ap.ResumeAutomationRequest(
            name=known.name, etag=_etag(known, etag), request_id=new_id()
        )
        after = replace(known.shown, state=State.ACTIVE, note="")
        self._write(f"{M}ResumeAutomation", request, known, etag, after, states=(State.PAUSED,))

    def _archive(self) -> None:
        known, etag = self._known(), self._etag()
        request = ap.ArchiveAutomationRequest(
            name=known.name, etag=_etag(known, etag), request_id=new_id()
        )
        after = replace(known.shown, state=State.ARCHIVED, note="")
        self._write(f"{M}ArchiveAutomation", request, known, etag, after)

    def _roll_back(self) -> None:
        known, etag, revision = self._known(), self._etag(), self._dice.randint(1, 4)
        request = ap.RollbackAutomationRequest(
            name=known.name, revision=revision, etag=_etag(known, etag), request_id=new_id()
        )
        there = revision <= len(known.goals)
        after = _redefined(known, known.goals[revision - 1]) if there else known.shown
        missing = () if there else ("RESOURCE_NOT_FOUND",)
        self._write(f"{M}RollbackAutomation", request, known, etag, after, refusals=missing)

    def _delete(self) -> None:
        known, etag = self._known(), self._etag()
        request = ap.DeleteAutomationRequest(
            name=known.name, etag=_etag(known, etag), request_id=new_id()
        )
        every = (State.ACTIVE, State.PAUSED, State.ARCHIVED)
        self._write(f"{M}DeleteAutomation", request, known, etag, None, states=every)

    def _repeat(self) -> None:
        """A request that took effect changes nothing when it comes again."""
        sent = self._dice.choice(self._sent)
        answer = self._call(sent.method, sent.request)
        if sent.method.endswith("DeleteAutomation"):
            assert isinstance(answer, Message), answer
        elif sent.known.deleted:
            assert answer == "RESOURCE_NOT_FOUND", answer
        else:
            assert (_shown(answer), answer.etag) == (sent.known.shown, sent.known.etag)

    def _reuse(self) -> None:
        """A request_id that took effect is refused with another body."""
        sent = self._dice.choice(self._sent)
        other = type(sent.request)()
        other.CopyFrom(sent.request)
        box = other.automation if hasattr(other, "automation") else other
        box.etag = f"{box.etag}x"
        assert self._call(sent.method, other) == "REQUEST_ID_REUSED"

    def _compare(self, known: Known) -> None:
        found = self._call(f"{M}GetAutomation", ap.GetAutomationRequest(name=known.name))
        if known.deleted:
            assert found == "RESOURCE_NOT_FOUND", found
        else:
            assert (_shown(found), found.etag) == (known.shown, known.etag)

    def _known(self) -> Known:
        return self._dice.choice(self._every)

    def _etag(self) -> str:
        return self._dice.choice(ETAGS)

    def _write(
        self,
        method: str,
        request: Any,
        known: Known,
        etag: str,
        after: Shown | None,
        *,
        states: tuple[int, ...] = (State.ACTIVE, State.PAUSED),
        refusals: tuple[str, ...] = (),
    ) -> None:
        """Sends it and has the model follow. `states` are those that it may be sent in."""
        wants = set(refusals)
        if known.deleted:
            wants = {"RESOURCE_NOT_FOUND"}
        else:
            wants |= {"ETAG_MISMATCH"} if etag in ("former", "odd") else set()
            wants |= {"STATE_CONFLICT"} if known.shown.state not in states else set()
        answer = self._call(method, request)
        if wants:
            assert answer in wants, (answer, wants)
            return
        assert isinstance(answer, Message), answer
        self._sent.append(Sent(method, request, known))
        if after is None:
            known.deleted = True
            return
        _follow(known, after, answer)

    def _call(self, method: str, request: Any) -> Any:
        """The answer, or the reason of the refusal."""
        try:
            return self._stage.call(method, request)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)  # type: ignore[arg-type]
            return reason_of(status) if status is not None else str(error)


def _follow(known: Known, after: Shown, answer: Any) -> None:
    assert _shown(answer) == after
    if after != known.shown:
        assert answer.etag != known.etag
    elif after.state != State.PAUSED:  # a second pause is a change, also with the same note
        assert answer.etag == known.etag
    if after.revision > known.shown.revision:
        known.goals.append(after.goal)
    if answer.etag != known.etag:
        known.former_etag = known.etag
    known.shown, known.etag = after, answer.etag


def _redefined(known: Known, goal: str) -> Shown:
    """Another definition is another revision; the same one is none."""
    step = int(goal != known.shown.goal)
    return replace(known.shown, goal=goal, revision=known.shown.revision + step)


def _etag(known: Known, kind: str) -> str:
    return {"none": "", "present": known.etag, "former": known.former_etag, "odd": "x"}[kind]


def _say_goal(automation: ap.Automation, goal: str) -> None:
    if goal:
        automation.definition.goal = goal


def _shown(found: Any) -> Shown:
    return Shown(
        state=found.state,
        note=found.pause_note,
        description=found.description,
        goal=found.definition.goal,
        revision=found.revision,
    )
