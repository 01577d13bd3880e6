"""ChatService and AgentService: one success and each documented refusal of every call."""

from typing import Any, Final
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from rota.agent.v1 import agent_pb2 as gp
from rota.chat.v1 import chat_pb2 as cp

from shared.rpc.messages import struct
from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import ASKED_TWICE, Stage, new_id
from tests.support.system.chat import approve, edit, reject

SLOW: Final = "hello <<ttft=50>>"
C: Final = "ChatService/"
A: Final = "AgentService/"


def _running(stage: Stage) -> cp.TurnStarted:
    """A turn whose model takes its time."""
    request = stage.saying(SLOW)
    method = f"{C}SendMessage"
    call = stage.live.begin(method, request, stage.who.metadata(method))
    started = cp.TurnEvent.FromString(next(iter(call))).started
    call.cancel()
    return started


def _thread(turn: str) -> str:
    return turn.partition("/turns/")[0]


def _no_thread(stage: Stage) -> str:
    return f"{stage.workspace}/threads/{new_id()}"


def _delivered(stage: Stage, thread: str = "") -> gp.AddResultRequest:
    return gp.AddResultRequest(
        workspace=stage.workspace,
        thread=thread or stage.new_thread().name,
        delivery=f"{stage.workspace}/automations/a/runs/r/deliveries/{new_id()}",
        subject="News",
        body="# Nothing new",
        format=cp.RunResult.MARKDOWN,
    )


def _delivered_elsewhere(stage: Stage) -> gp.AddResultRequest:
    request = _delivered(stage)
    request.delivery = request.delivery.replace(stage.workspace, "workspaces/another")
    return request


def _task_thread(stage: Stage) -> str:
    return _thread(stage.task_turn.name)


def _renaming(stage: Stage, *paths: str, etag: str = "", name: str = "") -> cp.UpdateThreadRequest:
    thread = cp.Thread(name=name or stage.thread.name, display_name="Renamed", etag=etag)
    return cp.UpdateThreadRequest(thread=thread, update_mask=FieldMask(paths=paths))


def _creating(stage: Stage, **thread: Any) -> cp.CreateThreadRequest:
    return cp.CreateThreadRequest(
        parent=stage.workspace, thread=cp.Thread(**thread), request_id=new_id()
    )


def _decided_before(stage: Stage) -> cp.DecideApprovalRequest:
    wanted = stage.asked()
    stage.decided(wanted, reject(wanted, "no"))
    return stage.deciding(wanted, approve(wanted))


def _expired(stage: Stage) -> cp.DecideApprovalRequest:
    wanted = stage.asked()
    stage.live.execute(
        "update chat.approvals set expire_time = create_time where id = %s",
        wanted.name.rpartition("/")[2],
    )
    return stage.deciding(wanted, approve(wanted))


def _stale(stage: Stage) -> cp.Decision:
    decision = approve(stage.waiting)
    decision.payload_digest = "0" * 64
    return decision


def _bad_edit(stage: Stage) -> cp.Decision:
    return edit(stage.waiting, {"display_name": "x", "definition": {"name": "x", "plan": []}})


def _other_name(wanted: cp.Approval) -> cp.Decision:
    payload = struct.to_json(wanted.payload)
    payload["display_name"] = payload["definition"]["name"] = "Another name"
    return edit(wanted, payload)


def _previewing(wanted: cp.Approval, decision: cp.Decision) -> cp.PreviewDecisionRequest:
    return cp.PreviewDecisionRequest(name=wanted.name, decision=decision)


def _resumed(stage: Stage) -> cp.ResumeTurnRequest:
    wanted = stage.approved()
    return stage.resuming(wanted, reject(wanted, "too late"))


def _one_of_two(stage: Stage) -> cp.ResumeTurnRequest:
    wanted = stage.asked(ASKED_TWICE)
    return stage.resuming(wanted, approve(wanted))


def _truncated(stage: Stage) -> cp.WatchTurnRequest:
    turn = stage.said("hello")[0].started.turn
    stage.live.execute(
        "delete from chat.turn_events where turn_id = %s and sequence < 3",
        turn.rpartition("/")[2],
    )
    return cp.WatchTurnRequest(name=turn)


def _task_again(stage: Stage) -> gp.RunTaskRequest:
    request = stage.task()
    stage.call(f"{A}RunTask", request)
    request.prompt = "Say something else."
    return request


def _renamed(request: Any) -> None:
    request.thread.display_name = "Another"


def _says_more(request: Any) -> None:
    request.message.parts.add(text="more")


def _rejects(request: Any) -> None:
    request.decision.reject.reason = "after all"


CHAT_ROWS: Final[list[Row]] = [
    ok(f"{C}CreateThread", lambda s: _creating(s, display_name="A"), lambda t: t.display_name),
    again(f"{C}CreateThread", lambda s: _creating(s, display_name="A"), _renamed),
    refused(
        f"{C}CreateThread",
        "INVALID_REQUEST",
        lambda s: _creating(s, model_config_id=99),
        "thread.model_config_id",
    ),
    ok(
        f"{C}GetThread",
        lambda s: cp.GetThreadRequest(name=s.thread.name),
        lambda t: t.etag and t.kind == cp.Thread.CHAT,
    ),
    ok(
        f"{C}GetThread",
        lambda s: cp.GetThreadRequest(name=_task_thread(s)),
        lambda t: t.kind == cp.Thread.TASK,
    ),
    ok(
        f"{C}ListThreads",
        lambda s: cp.ListThreadsRequest(parent=_thread(s.thread.name).rsplit("/", 2)[0]),
        lambda page: page.threads,
    ),
    refused(
        f"{C}ListThreads",
        "INVALID_REQUEST",
        lambda s: cp.ListThreadsRequest(parent=s.workspace, filter="title = x"),
        "filter",
    ),
    refused(
        f"{C}ListThreads",
        "INVALID_REQUEST",
        lambda s: cp.ListThreadsRequest(parent=s.workspace, page_token="never-given"),
        "page_token",
    ),
    ok(f"{C}UpdateThread", _renaming, lambda thread: thread.display_name == "Renamed"),
    refused(f"{C}UpdateThread", "ETAG_MISMATCH", lambda s: _renaming(s, etag="stale")),
    refused(
        f"{C}UpdateThread", "INVALID_REQUEST", lambda s: _renaming(s, "open_turn"), "update_mask"
    ),
    refused(f"{C}UpdateThread", "STATE_CONFLICT", lambda s: _renaming(s, name=_task_thread(s))),
    refused(
        f"{C}DeleteThread",
        "STATE_CONFLICT",
        lambda s: cp.DeleteThreadRequest(name=_task_thread(s)),
    ),
    refused(
        f"{C}DeleteThread",
        "APPROVALS_UNDECIDED",
        lambda s: cp.DeleteThreadRequest(name=s.waiting.turn.partition("/turns/")[0]),
    ),
    ok(
        f"{C}DeleteThread",
        lambda s: cp.DeleteThreadRequest(name=s.new_thread().name),
        lambda empty: not empty.ListFields(),
    ),
    refused(
        f"{C}DeleteThread",
        "ETAG_MISMATCH",
        lambda s: cp.DeleteThreadRequest(name=s.thread.name, etag="stale"),
    ),
    refused(
        f"{C}DeleteThread",
        "TURN_IN_PROGRESS",
        lambda s: cp.DeleteThreadRequest(name=_thread(_running(s).turn)),
    ),
    ok(
        f"{C}ListMessages",
        lambda s: cp.ListMessagesRequest(parent=_thread(s.turn)),
        lambda page: [m.role for m in page.messages] == [cp.Message.AGENT, cp.Message.USER],
    ),
    ok(
        f"{C}ListMessages",
        lambda s: cp.ListMessagesRequest(parent=_task_thread(s)),
        lambda page: [m.role for m in page.messages] == [cp.Message.AGENT, cp.Message.USER],
    ),
    refused(f"{C}SendMessage", "STATE_CONFLICT", lambda s: s.saying("hello", _task_thread(s))),
    ok(
        f"{C}SendMessage",
        lambda s: s.saying("hello"),
        lambda frames: frames[-1].HasField("completed"),
    ),
    again(f"{C}SendMessage", lambda s: s.saying("hello"), _says_more),
    refused(f"{C}SendMessage", "INVALID_REQUEST", lambda s: s.saying("  "), "message.parts"),
    refused(
        f"{C}SendMessage",
        "INVALID_REQUEST",
        lambda s: s.saying("hello", model_config_id=99),
        "model_config_id",
    ),
    refused(
        f"{C}SendMessage",
        "TURN_IN_PROGRESS",
        lambda s: s.saying("hello", _thread(_running(s).turn)),
    ),
    refused(
        f"{C}SendMessage",
        "APPROVALS_UNDECIDED",
        lambda s: s.saying("hello", _thread(s.waiting.turn)),
    ),
    ok(
        f"{C}ResumeTurn",
        lambda s: (lambda wanted: s.resuming(wanted, approve(wanted)))(s.asked()),
        lambda frames: frames[0].started.resumed and frames[-1].HasField("completed"),
    ),
    refused(
        f"{C}ResumeTurn",
        "STATE_CONFLICT",
        lambda s: cp.ResumeTurnRequest(
            name=s.task_turn.name, decisions=[approve(s.waiting)], request_id=new_id()
        ),
    ),
    refused(f"{C}ResumeTurn", "APPROVALS_UNDECIDED", _one_of_two),
    refused(f"{C}ResumeTurn", "APPROVAL_DECIDED", _resumed),
    refused(f"{C}ResumeTurn", "DIGEST_MISMATCH", lambda s: s.resuming(s.waiting, _stale(s))),
    refused(
        f"{C}ResumeTurn",
        "INVALID_REQUEST",
        lambda s: s.resuming(s.waiting, _bad_edit(s)),
        "decisions[0].edit.payload.definition.plan",
    ),
    ok(
        f"{C}WatchTurn",
        lambda s: cp.WatchTurnRequest(name=s.turn),
        lambda frames: [f.sequence for f in frames] == list(range(1, len(frames) + 1)),
    ),
    ok(
        f"{C}WatchTurn",
        lambda s: cp.WatchTurnRequest(name=s.task_turn.name),
        lambda frames: frames[-1].HasField("completed"),
    ),
    refused(
        f"{C}WatchTurn",
        "INVALID_REQUEST",
        lambda s: cp.WatchTurnRequest(name=s.turn, after_sequence=999),
        "after_sequence",
    ),
    refused(f"{C}WatchTurn", "STREAM_TRUNCATED", _truncated),
    ok(
        f"{C}GetTurn",
        lambda s: cp.GetTurnRequest(name=s.turn),
        lambda turn: turn.state == cp.Turn.SUCCEEDED,
    ),
    ok(
        f"{C}GetTurn",
        lambda s: cp.GetTurnRequest(name=s.task_turn.name),
        lambda turn: turn.usage.model_calls == 1,
    ),
    ok(
        f"{C}ListTurns",
        lambda s: cp.ListTurnsRequest(parent=_thread(s.turn), filter="state = SUCCEEDED"),
        lambda page: len(page.turns) == 1,
    ),
    refused(
        f"{C}ListTurns",
        "INVALID_REQUEST",
        lambda s: cp.ListTurnsRequest(parent=_thread(s.turn), filter="state = LOST"),
        "filter",
    ),
    ok(
        f"{C}CancelTurn",
        lambda s: cp.CancelTurnRequest(name=_running(s).turn),
        lambda turn: turn.state == cp.Turn.CANCELLED,
    ),
    refused(f"{C}CancelTurn", "STATE_CONFLICT", lambda s: cp.CancelTurnRequest(name=s.turn)),
    refused(
        f"{C}CancelTurn",
        "STATE_CONFLICT",
        lambda s: cp.CancelTurnRequest(name=s.task_turn.name),
    ),
    ok(
        f"{C}GetApproval",
        lambda s: cp.GetApprovalRequest(name=s.waiting.name),
        lambda approval: approval.HasField("payload_schema"),
    ),
    ok(
        f"{C}ListApprovals",
        lambda s: cp.ListApprovalsRequest(
            parent=s.waiting.name.partition("/approvals/")[0], filter="state = PENDING"
        ),
        lambda page: page.approvals and not page.approvals[0].HasField("payload_schema"),
    ),
    refused(
        f"{C}ListApprovals",
        "INVALID_REQUEST",
        lambda s: cp.ListApprovalsRequest(parent=s.workspace, filter="state = MAYBE"),
        "filter",
    ),
    ok(
        f"{C}DecideApproval",
        lambda s: (lambda wanted: s.deciding(wanted, approve(wanted)))(s.asked()),
        lambda approval: approval.state == cp.Approval.APPROVED,
    ),
    again(
        f"{C}DecideApproval",
        lambda s: (lambda wanted: s.deciding(wanted, reject(wanted, "no")))(s.asked()),
        _rejects,
    ),
    refused(f"{C}DecideApproval", "APPROVAL_DECIDED", _decided_before),
    refused(f"{C}DecideApproval", "APPROVAL_EXPIRED", _expired),
    refused(f"{C}DecideApproval", "DIGEST_MISMATCH", lambda s: s.deciding(s.waiting, _stale(s))),
    refused(
        f"{C}DecideApproval",
        "INVALID_REQUEST",
        lambda s: s.deciding(s.waiting, _bad_edit(s)),
        "decision.edit.payload.definition.plan",
    ),
    ok(
        f"{C}PreviewDecision",
        lambda s: _previewing(s.waiting, _other_name(s.waiting)),
        lambda approval: (
            approval.state == cp.Approval.PENDING and "display_name" in approval.edited_payload
        ),
    ),
    refused(
        f"{C}PreviewDecision",
        "APPROVAL_DECIDED",
        lambda s: (lambda r: _previewing(cp.Approval(name=r.name), r.decision))(_decided_before(s)),
    ),
    refused(
        f"{C}PreviewDecision",
        "APPROVAL_EXPIRED",
        lambda s: (lambda r: _previewing(cp.Approval(name=r.name), r.decision))(_expired(s)),
    ),
    refused(f"{C}PreviewDecision", "DIGEST_MISMATCH", lambda s: _previewing(s.waiting, _stale(s))),
    refused(
        f"{C}PreviewDecision",
        "INVALID_REQUEST",
        lambda s: _previewing(s.waiting, _bad_edit(s)),
        "decision.edit.payload.definition.plan",
    ),
    ok(
        f"{C}ListModelConfigs",
        lambda s: cp.ListModelConfigsRequest(parent=s.workspace),
        lambda page: page.model_configs,
    ),
]

AGENT_ROWS: Final[list[Row]] = [
    ok(
        f"{A}RunTask",
        lambda s: s.task(),
        lambda frames: frames[-1].result.text and not frames[-1].result.HasField("error"),
    ),
    refused(f"{A}RunTask", "REQUEST_ID_REUSED", _task_again),
    ok(
        f"{A}CancelTask",
        lambda s: gp.CancelTaskRequest(workspace=s.workspace, request_id=f"{uuid4()}:s:1"),
        lambda answer: answer.HasField("usage") and not answer.usage.ListFields(),
    ),
    ok(
        f"{A}CheckModels",
        lambda s: gp.CheckModelsRequest(
            workspace=s.workspace, models=[f"{s.workspace}/modelConfigs/999999"]
        ),
        lambda answer: [name.rpartition("/")[2] for name in answer.missing] == ["999999"],
    ),
    ok(f"{A}AddResult", _delivered, lambda answer: "/messages/" in answer.message),
    refused(f"{A}AddResult", "RESOURCE_NOT_FOUND", lambda s: _delivered(s, _no_thread(s))),
    refused(f"{A}AddResult", "INVALID_REQUEST", _delivered_elsewhere, "delivery"),
    ok(
        f"{A}CheckThreads",
        lambda s: gp.CheckThreadsRequest(
            workspace=s.workspace, threads=[s.thread.name, _no_thread(s)]
        ),
        lambda answer: len(answer.closed) == 1,
    ),
    ok(
        f"{A}ListCapabilities",
        lambda s: gp.ListCapabilitiesRequest(),
        lambda page: {"fetch_url", "now"} <= {c.id for c in page.capabilities},
    ),
]
