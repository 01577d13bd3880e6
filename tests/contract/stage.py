"""What the calls of the table are made on: things that stay, and new ones for calls that change."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import uuid4

from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from rota.agent.v1 import agent_pb2 as gp
from rota.automation.v1 import automation_pb2 as ap
from rota.automation.v1 import delivery_pb2 as dp
from rota.automation.v1 import destination_pb2 as dsp
from rota.automation.v1 import inbox_pb2 as ip
from rota.automation.v1 import webhook_pb2 as wp
from rota.chat.v1 import chat_pb2 as cp

from tests.support.servers.code_receiver import CodeReceiver
from tests.support.system.chat import approve
from tests.support.system.live import METHODS, Live, Tenant

ASKED = "every weekday at 9 in Paris summarise the news"
ASKED_TWICE = f"{ASKED} and also every day at 10 in Paris tell me a joke"


def new_id() -> str:
    return str(uuid4())


def struct(**values: Any) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def text(said: str) -> cp.Message:
    return cp.Message(parts=[cp.Part(text=said)])


class Stage:
    """A workspace `who` owns."""

    def __init__(self, who: Tenant) -> None:
        self.who = who

    @property
    def live(self) -> Live:
        return self.who.live

    @property
    def workspace(self) -> str:
        return self.who.name

    # What stays as it is

    @cached_property
    def thread(self) -> cp.Thread:
        return self.new_thread()

    @cached_property
    def turn(self) -> str:
        return self.said("hello")[0].started.turn

    @cached_property
    def waiting(self) -> cp.Approval:
        return self.asked()

    @cached_property
    def automation(self) -> ap.Automation:
        return self.new_automation()

    @cached_property
    def run(self) -> ap.Run:
        return self.fired(self.new_automation(soon=True))

    @cached_property
    def own_model(self) -> cp.ModelConfig:
        return self.new_own_model()

    @cached_property
    def webhook(self) -> str:
        """The name of one whose endpoint is not there."""
        name = f"{self.workspace}/webhook"
        webhook = wp.Webhook(name=name, uri="http://127.0.0.1:1/")
        self.call("AutomationService/UpdateWebhook", wp.UpdateWebhookRequest(webhook=webhook))
        return name

    @cached_property
    def delivery(self) -> wp.WebhookDelivery:
        found: wp.WebhookDelivery = self.call(
            "AutomationService/TestWebhook", wp.TestWebhookRequest(name=self.webhook)
        )
        return found

    @cached_property
    def inbox_item(self) -> str:
        """The name of one that is unread."""
        return self.new_inbox_item()

    @cached_property
    def task_turn(self) -> cp.Turn:
        """The turn of a task, at its end: what a step of a run leaves."""
        result = self.call("AgentService/RunTask", self.task())[-1].result
        thread = f"{self.workspace}/threads/{result.session_id}"
        page = self.call("ChatService/ListTurns", cp.ListTurnsRequest(parent=thread))
        found: cp.Turn = page.turns[0]
        return found

    @cached_property
    def sent(self) -> dp.Delivery:
        """One that reached an inbox."""
        return self.delivered()

    @cached_property
    def destination(self) -> dsp.Destination:
        return self.new_destination()

    @cached_property
    def receiver(self) -> CodeReceiver:
        return CodeReceiver()

    # What is made for one call

    def sent_code(self) -> tuple[dsp.Destination, str]:
        """A destination, and the code that was sent through it."""
        topic = new_id()
        settings = dsp.NtfySettings(server=self.receiver.url, topic=topic)
        made = self.new_destination(ntfy=settings)
        sent = self.call(
            "DestinationService/TestDestination",
            dsp.TestDestinationRequest(name=made.name, verify=True),
        )
        assert not sent.error, sent
        return made, self.receiver.code(topic)

    def adding_destination(self, **fields: Any) -> dsp.CreateDestinationRequest:
        """A shared topic of ntfy, whose server is not there."""
        topic = dsp.NtfySettings(server="http://127.0.0.1:1", topic="a-topic-of-nobody-1234")
        return dsp.CreateDestinationRequest(
            parent=self.workspace,
            destination=dsp.Destination(**{"ntfy": topic, **fields}),
            request_id=new_id(),
        )

    def new_destination(self, **fields: Any) -> dsp.Destination:
        found: dsp.Destination = self.call(
            "DestinationService/CreateDestination", self.adding_destination(**fields)
        )
        return found

    def new_inbox_item(self, *, subject: str = "Trains", body: str = "They are late.") -> str:
        # Whoever calls is recorded.
        self.call("InboxService/ListInboxItems", ip.ListInboxItemsRequest(parent=self.workspace))
        item = new_id()
        self.live.execute(
            "insert into automation.inbox_items (id, workspace_id, user_id, kind, subject, snippet,"
            " body, format, automation, run, delivery, thread, approval, destination, create_time)"
            " values (%s, %s, %s, 'result', %s, '', %s, 'markdown', '', '', '', '', '', '', now())",
            item,
            self.who.id,
            self.who.user,
            subject,
            body,
        )
        return f"{self.workspace}/inboxItems/{item}"

    def delivered(self) -> dp.Delivery:
        plan = [
            {"step_id": "s", "action": "agent_task", "config": {"prompt": "Say hello."}},
            {"step_id": "d", "action": "deliver", "config": {"to": ["inbox"]}},
        ]
        run = self.fired(self.new_automation(soon=True, plan=plan))
        request = dp.ListDeliveriesRequest(parent=run.name)
        found: dp.Delivery = self.call("DeliveryService/ListDeliveries", request).deliveries[0]
        return found

    def failed_delivery(self) -> dp.Delivery:
        """One to a thread that is not there."""
        found = self.delivered()
        self.live.execute(
            "update automation.deliveries set state = 'failed', destination = "
            f"'{self.workspace}/threads/none' where id = '{found.name.rpartition('/')[2]}'"
        )
        return found

    def adding_model(self, **fields: Any) -> cp.CreateModelConfigRequest:
        fields = {
            "model": "mine-1",
            "base_url": "http://127.0.0.1:1/v1",
            "api_key": "sk-a-key-of-her-own-1234",
            **fields,
        }
        return cp.CreateModelConfigRequest(
            parent=self.workspace, model_config=cp.ModelConfig(**fields), request_id=new_id()
        )

    def new_own_model(self) -> cp.ModelConfig:
        # A number of ten digits is found by no accident in another text.
        self.live.execute(
            "select setval('chat.model_configs_id_seq',"
            " greatest(nextval('chat.model_configs_id_seq'), 7100000000))"
        )
        found: cp.ModelConfig = self.call("ChatService/CreateModelConfig", self.adding_model())
        return found

    def new_thread(self, **fields: Any) -> cp.Thread:
        request = cp.CreateThreadRequest(parent=self.workspace, thread=cp.Thread(**fields))
        found: cp.Thread = self.call("ChatService/CreateThread", request)
        return found

    def said(self, said: str, thread: str = "") -> list[cp.TurnEvent]:
        """The frames of a new turn, up to where it ended or waits."""
        found: list[cp.TurnEvent] = self.call("ChatService/SendMessage", self.saying(said, thread))
        return found

    def saying(self, said: str, thread: str = "", **fields: Any) -> cp.SendMessageRequest:
        name = thread or f"{self.workspace}/threads/-"
        fields.setdefault("request_id", new_id())
        return cp.SendMessageRequest(name=name, message=text(said), **fields)

    def asked(self, said: str = ASKED) -> cp.Approval:
        """The first approval of a new turn that waits."""
        frames = self.said(said)
        return next(
            f.approval_requested.approval for f in frames if f.HasField("approval_requested")
        )

    def decided(self, wanted: cp.Approval, decision: cp.Decision) -> cp.Approval:
        found: cp.Approval = self.call(
            "ChatService/DecideApproval", self.deciding(wanted, decision)
        )
        return found

    def deciding(self, wanted: cp.Approval, decision: cp.Decision) -> cp.DecideApprovalRequest:
        return cp.DecideApprovalRequest(name=wanted.name, decision=decision, request_id=new_id())

    def resuming(self, wanted: cp.Approval, *decisions: cp.Decision) -> cp.ResumeTurnRequest:
        return cp.ResumeTurnRequest(name=wanted.turn, decisions=decisions, request_id=new_id())

    def approved(self) -> cp.Approval:
        """One that was approved, with its turn at its end."""
        wanted = self.asked()
        self.call("ChatService/ResumeTurn", self.resuming(wanted, approve(wanted)))
        return wanted

    def drafted(self, *, soon: bool = False, **fields: Any) -> ap.Automation:
        """One that fires on New Year's Day, or in a minute, and says hello."""
        when = self.live.clock.now() + timedelta(minutes=1)
        cron = f"{when:%-M %-H %-d %-m} *" if soon else "0 0 1 1 *"
        definition = {
            "name": "Greeting",
            "triggers": [
                {
                    "trigger_id": "t",
                    "type": "schedule",
                    "config": {"cron": cron, "timezone": "UTC"},
                }
            ],
            "plan": [{"step_id": "s", "action": "agent_task", "config": {"prompt": "Say hello."}}],
        }
        return ParseDict({"definition": {**definition, **fields}}, ap.Automation())

    def creating(self, **fields: Any) -> ap.CreateAutomationRequest:
        return ap.CreateAutomationRequest(
            parent=self.workspace, automation=self.drafted(), **fields
        )

    def new_automation(self, *, soon: bool = False, **fields: Any) -> ap.Automation:
        request = ap.CreateAutomationRequest(
            parent=self.workspace, automation=self.drafted(soon=soon, **fields)
        )
        found: ap.Automation = self.call("AutomationService/CreateAutomation", request)
        return found

    def paused(self) -> ap.Automation:
        request = ap.PauseAutomationRequest(name=self.new_automation().name)
        found: ap.Automation = self.call("AutomationService/PauseAutomation", request)
        return found

    def archived(self) -> ap.Automation:
        request = ap.ArchiveAutomationRequest(name=self.new_automation().name)
        found: ap.Automation = self.call("AutomationService/ArchiveAutomation", request)
        return found

    def begun(self, of: ap.Automation) -> ap.Run:
        """Its run, once the clock has passed the minute; perhaps not at its end."""
        self.live.advance(timedelta(seconds=61))
        request = ap.ListRunsRequest(parent=of.name)
        found: ap.Run = until(lambda: self.call("AutomationService/ListRuns", request).runs)[0]
        return found

    def fired(self, of: ap.Automation) -> ap.Run:
        """Its run, at its end."""
        request = ap.GetRunRequest(name=self.begun(of).name)

        def ended() -> Any:
            run = self.call("AutomationService/GetRun", request)
            return run if run.HasField("end_time") else None

        found: ap.Run = until(ended)
        return found

    def task(self, prompt: str = "Say hello.", **fields: Any) -> gp.RunTaskRequest:
        fields.setdefault("request_id", f"{new_id()}:s:1")
        return gp.RunTaskRequest(
            workspace=self.workspace,
            prompt=prompt,
            on_behalf_of=f"users/{self.who.user}",
            **fields,
        )

    def empty(self, method: str) -> Any:
        """A request of the method that says nothing."""
        return GetMessageClass(METHODS[method].input_type)()

    def call(self, method: str, request: Any) -> Any:
        return self.who.call(method, request)


def until(found: Callable[[], Any], seconds: float = 180.0) -> Any:
    """What `found` gives once that is truthy."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return answer
