"""The one place that builds the service."""

import contextlib
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from rota.agent.v1 import agent_pb2_grpc
from rota.automation.v1 import automation_pb2_grpc
from rota.chat.v1 import chat_pb2_grpc
from rota.notice.v1 import notice_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.adapters.approval_notifier import ApprovalNotifier
from chat_service.adapters.automation_client import AUTOMATION_SERVICE, AutomationClient
from chat_service.adapters.stores import ApprovalStore, ImageStore, McpToolStore, ToolCallStore
from chat_service.agent.agent import Agent, prepare_process
from chat_service.agent.checkpointer import open_checkpoints
from chat_service.agent.checkpointer import version as checkpoints_version
from chat_service.agent.toolset import build_toolset
from chat_service.api.approvals import Decisions
from chat_service.api.model_configs import ModelConfigs
from chat_service.api.payload_check import PayloadCheck
from chat_service.api.servicers import AgentServicer, ChatServicer
from chat_service.api.tasks import Tasks
from chat_service.api.threads import Threads
from chat_service.api.turns import Turns
from chat_service.flows import title_gen
from chat_service.flows.agent_task import stream_agent_task
from chat_service.flows.dependencies import Flows
from chat_service.flows.event_frames import Frames
from chat_service.flows.lost_usage import reckon
from chat_service.flows.new_chat import stream_new_chat
from chat_service.flows.open_turn import Opening
from chat_service.flows.resume_chat import stream_resume_chat
from chat_service.flows.resume_routing import Routing
from chat_service.flows.user_message import Intake
from chat_service.llm import custom_endpoint
from chat_service.llm.config import ModelConfig
from chat_service.llm.retry import RetryPolicies
from chat_service.model_selection.auto_pin import AutoPin
from chat_service.model_selection.key_rotation import KeyRotation
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.model_selection.quota import Quota
from chat_service.persistence import tables
from chat_service.persistence.schema_version import require_migrated
from chat_service.runtime.models_file import Models, find_default_model, load_models
from chat_service.runtime.ports import AutomationsPort
from chat_service.settings import ChatSettings
from chat_service.tools.capabilities.fetch_url import Fetcher
from chat_service.tools.mcp.tools import REFRESH_SECONDS
from chat_service.turns.engine import TurnEngine
from chat_service.turns.expiry import Ending
from chat_service.turns.frame_log import FrameLog
from chat_service.turns.retention import Retention
from chat_service.turns.segment import Work
from chat_service.turns.watch import Tails
from shared.aio import run_every, start_loop
from shared.clock import Clock
from shared.db import database
from shared.db.clock import sync_clock
from shared.db.tenancy import Tenancy
from shared.registries.catalogue import Catalogue, register_builtins
from shared.rpc import client, tls
from shared.rpc.access import Access
from shared.rpc.client import DelegatedCredentials
from shared.rpc.idempotency import Idempotency
from shared.rpc.interceptor import ServerInterceptor
from shared.rpc.server import RpcServer
from shared.security import caller
from shared.security.secretbox import SecretBox
from shared.telemetry import logs

NAME = "chat_service"
SERVICES = ("rota.chat.v1.ChatService", "rota.agent.v1.AgentService")
EXPIRY_SECONDS = 5.0
NOTICE_SECONDS = 2.0
SWEEP_SECONDS = 60.0
# how long a start waits for MCP servers of which nothing is known
SETTLE_SECONDS = 5.0
LARGEST_MESSAGE = 8 << 20

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service. `tick` does at once what happens by the clock."""

    port: int
    engine: AsyncEngine
    tick: Callable[[], Awaitable[object]]


@contextlib.asynccontextmanager
async def service(
    settings: ChatSettings,
    *,
    clock: Clock | None = None,
    models: Mapping[int, ModelConfig] | None = None,
    automations: AutomationsPort | None = None,
    fetcher: Fetcher | None = None,
    retry: RetryPolicies | None = None,
) -> AsyncIterator[Service]:
    """Builds and serves; on leaving, drains and closes in the opposite order."""
    prepare_process()
    register_builtins()
    fetcher = fetcher or Fetcher()
    box = SecretBox.parse(settings.secret_keys.get_secret_value())
    secured = _tls(settings)
    models = models or await _models(settings)
    url = settings.database_url.get_secret_value()
    async with contextlib.AsyncExitStack() as stack:
        engine = database.create_engine(url, schema=tables.SCHEMA, pool_size=settings.pool_size)
        stack.push_async_callback(engine.dispose)
        leases = database.create_engine(url, schema=tables.SCHEMA, pool_size=1)
        stack.push_async_callback(leases.dispose)
        await require_migrated(engine, checkpoints=checkpoints_version())
        clock = clock or await sync_clock(stack, engine)
        checkpoints = await stack.enter_async_context(open_checkpoints(url))
        toolbox = build_toolset(models, clock, fetcher, os.environ, McpToolStore(db=engine))
        catalogue = toolbox.catalogue
        await toolbox.mcp.load()
        await start_loop(stack, run_every(REFRESH_SECONDS, toolbox.mcp.refresh))
        if automations is None:
            channel = client.open_channel(settings.peer_address, tls=secured)
            stack.push_async_callback(channel.close)
            behalf = DelegatedCredentials(identity=_identity(settings), audience=AUTOMATION_SERVICE)
            automations = AutomationClient(
                stub=automation_pb2_grpc.AutomationServiceStub(channel),
                behalf=behalf,
                catalogue=catalogue,
            )
            approval_notifier = ApprovalNotifier(
                db=engine,
                clock=clock,
                stub=notice_pb2_grpc.NoticeServiceStub(channel),
                behalf=behalf,
            )
            await start_loop(stack, run_every(NOTICE_SECONDS, approval_notifier.notify_pending))
        store = ApprovalStore(db=engine, clock=clock, expire_after=settings.approvals_expire_after)
        agent = Agent(
            checkpoints=checkpoints,
            approvals=store,
            claims=ToolCallStore(db=engine),
            automations=automations,
            catalogue=catalogue,
            clock=clock,
            retry=retry,
            images=ImageStore(db=engine),
            more_tools=toolbox.definitions,
            may_come=toolbox.mcp.may_come,
            models=models,
            subagents=models.subagents if isinstance(models, Models) else (),
        )
        model_loader = ModelLoader(
            db=engine,
            models=models,
            client=custom_endpoint.client(local=settings.local_models),
            box=box,
            local=settings.local_models,
        )
        stack.push_async_callback(model_loader.client.aclose)
        flows = _flows(engine, clock, agent, automations, model_loader)
        stack.push_async_callback(title_gen.stop, flows)
        frame_log = FrameLog(engine, clock, lease=settings.turn_lease)
        tails = Tails(engine, frame_log, clock, heartbeat_seconds=settings.heartbeat_seconds)
        turn_engine = TurnEngine(
            engine,
            clock,
            frame_log,
            tails,
            leases=leases,
            flow=lambda work: _flow(flows, work),
            forget=agent.forget,
            reckon=functools.partial(reckon, flows),
            lease=settings.turn_lease,
        )
        ending = Ending(engine=engine, clock=clock, log=frame_log, forget=agent.forget)
        retention = Retention(
            engine=engine,
            clock=clock,
            tenancy=Tenancy(tables.tenants),
            forget=agent.forget,
            frames_kept=settings.frames_kept,
        )
        key_rotation = KeyRotation(model_loader=model_loader)
        loops = (
            frame_log.run(),
            tails.run(),
            turn_engine.run(),
            run_every(EXPIRY_SECONDS, ending.expire),
            run_every(SWEEP_SECONDS, retention.sweep),
            run_every(SWEEP_SECONDS, key_rotation.rotate),
        )
        # so that what goes on after a restart finds its tools
        await toolbox.mcp.wait_ready(SETTLE_SECONDS)
        for loop in loops:
            await start_loop(stack, loop)
        stack.push_async_callback(turn_engine.stop, settings.grace_seconds)
        server = _server(
            settings,
            _servicers(flows, turn_engine, tails, frame_log, ending, fetcher, catalogue),
        )
        stack.push_async_callback(server.stop)
        await server.start()

        async def tick() -> None:
            await ending.expire()
            await retention.sweep()
            await key_rotation.rotate()

        yield Service(port=server.port, engine=engine, tick=tick)


def _flows(
    engine: AsyncEngine,
    clock: Clock,
    agent: Agent,
    automations: AutomationsPort,
    model_loader: ModelLoader,
) -> Flows:
    models = model_loader.models
    credit = models.monthly_credit_micros if isinstance(models, Models) else None
    quota = Quota(monthly_credit_micros=credit, clock=clock)
    return Flows(
        engine=engine,
        clock=clock,
        agent=agent,
        automations=automations,
        model_loader=model_loader,
        auto_pin=AutoPin(model_loader=model_loader, quota=quota, clock=clock),
        quota=quota,
    )


def _flow(flows: Flows, work: Work) -> Frames:
    if work.turn.task is not None:
        return stream_agent_task(flows, work)
    if work.resumed:
        return stream_resume_chat(flows, work)
    return stream_new_chat(flows, work)


def _servicers(
    flows: Flows,
    turn_engine: TurnEngine,
    tails: Tails,
    frame_log: FrameLog,
    ending: Ending,
    fetcher: Fetcher,
    catalogue: Callable[[], Catalogue],
) -> tuple[ChatServicer, AgentServicer]:
    db, clock, tenancy = flows.engine, flows.clock, Tenancy(tables.tenants)
    access = Access(db=db, clock=clock, tenancy=tenancy)
    idempotency = Idempotency(db=db, clock=clock, tenancy=tenancy)
    opening = Opening(
        clock=flows.clock,
        log=frame_log,
        engine=turn_engine,
        auto_pin=flows.auto_pin,
        quota=flows.quota,
    )
    decisions = Decisions(
        db=db,
        clock=clock,
        access=access,
        idempotency=idempotency,
        routing=Routing(
            clock=flows.clock,
            log=frame_log,
            engine=turn_engine,
            auto_pin=flows.auto_pin,
            quota=flows.quota,
            tenancy=tenancy,
        ),
        engine=turn_engine,
        edited=PayloadCheck(automations=flows.automations, clock=flows.clock),
    )
    turns = Turns(
        db=db,
        clock=clock,
        access=access,
        idempotency=idempotency,
        opening=opening,
        engine=turn_engine,
        tails=tails,
        ending=ending,
        decisions=decisions,
        intake=Intake(engine=flows.engine, automations=flows.automations, fetcher=fetcher),
    )
    tasks = Tasks(
        db=db,
        clock=clock,
        access=access,
        idempotency=idempotency,
        opening=opening,
        engine=turn_engine,
        tails=tails,
        ending=ending,
        model_loader=flows.model_loader,
        catalogue=catalogue,
    )
    threads = Threads(
        db=db, clock=clock, access=access, idempotency=idempotency, model_loader=flows.model_loader
    )
    models = ModelConfigs(
        db=db, clock=clock, access=access, idempotency=idempotency, model_loader=flows.model_loader
    )
    return ChatServicer(threads, turns, decisions, models), AgentServicer(tasks)


def _server(settings: ChatSettings, servicers: tuple[ChatServicer, AgentServicer]) -> RpcServer:
    chat, agent = servicers
    guard = ServerInterceptor(
        verifier=caller.Verifier(
            users=caller.read_key_set(settings.jwks_file),
            services=caller.read_key_set(settings.service_jwks_file),
            service=NAME,
        ),
        translate=database.translate,
        services_only=("/rota.agent.v1.AgentService/",),
        limits=(("/rota.chat.v1.ChatService/SendMessage", LARGEST_MESSAGE),),
    )
    return RpcServer(
        listen=settings.listen,
        interceptor=guard,
        service_names=SERVICES,
        add=[
            lambda server: chat_pb2_grpc.add_ChatServiceServicer_to_server(chat, server),
            lambda server: agent_pb2_grpc.add_AgentServiceServicer_to_server(agent, server),
        ],
        grace_seconds=settings.grace_seconds,
        drain_seconds=settings.drain_seconds,
        tls=_tls(settings),
    )


def _tls(settings: ChatSettings) -> tls.Tls | None:
    files = settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file
    return tls.read(*files, clients_show=settings.tls_clients_show)


def _identity(settings: ChatSettings) -> caller.ServiceIdentity:
    return caller.ServiceIdentity(
        service=NAME, key_pem=settings.service_key_file.read_text(), key_id=NAME
    )


async def _models(settings: ChatSettings) -> Mapping[int, ModelConfig]:
    key = settings.openai_api_key.get_secret_value()
    default = settings.default_model
    if settings.models_file is None and not default:
        default = await find_default_model(settings.openai_base_url, key)
    return load_models(
        settings.models_file,
        openai_api_key=key,
        openai_base_url=settings.openai_base_url,
        default_model=default,
        environ=os.environ,
    )
