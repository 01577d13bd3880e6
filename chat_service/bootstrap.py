"""The one place that builds the service."""

import asyncio
import contextlib
import dataclasses
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from rota.agent.v1 import agent_pb2_grpc
from rota.automation.v1 import automation_pb2_grpc, destination_pb2_grpc
from rota.chat.v1 import chat_pb2_grpc
from rota.notice.v1 import notice_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.adapters.approval_notifier import ApprovalNotifier
from chat_service.adapters.automation_client import AUTOMATION_SERVICE, AutomationClient
from chat_service.adapters.result_client import ResultClient
from chat_service.adapters.stores import (
    ApprovalStore,
    ImageStore,
    McpToolStore,
    ThreadTitleStore,
    ToolCallStore,
)
from chat_service.agent.agent import Agent, prepare_process
from chat_service.agent.checkpointer import open_checkpoints
from chat_service.agent.checkpointer import version as checkpoints_version
from chat_service.agent.toolset import Toolset, build_toolset
from chat_service.api.chat import ChatServicer
from chat_service.api.decisions import ApprovalDecider
from chat_service.api.edited_card import EditedCard
from chat_service.api.payload_check import PayloadCheck
from chat_service.api.tasks import AgentServicer
from chat_service.flows import title_gen
from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.flow_choice import run_segment
from chat_service.flows.lost_usage import estimate_lost_usage
from chat_service.flows.open_turn import TurnOpener
from chat_service.flows.resume_routing import ResumeRouter
from chat_service.flows.user_message import UserMessageReader
from chat_service.llm import custom_endpoint
from chat_service.llm.config import ModelConfig
from chat_service.llm.retry import RetryPolicies
from chat_service.model_selection.auto_pin import AutoPin
from chat_service.model_selection.feature_memory import FeatureMemory
from chat_service.model_selection.key_rotation import KeyRotation
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.model_selection.model_tests import ModelTests
from chat_service.model_selection.quota import Quota
from chat_service.persistence import tables, turn_start
from chat_service.persistence.schema_version import require_migrated
from chat_service.prompts.folder import read_prompts
from chat_service.prompts.load import replace_prompts
from chat_service.runtime.models_file import Models, find_default_model, load_models
from chat_service.runtime.ports import AutomationsPort
from chat_service.runtime.timeouts import Timeouts
from chat_service.settings import ChatSettings
from chat_service.tools.capabilities.fetch_url import Fetcher
from chat_service.turns.engine import TurnEngine
from chat_service.turns.expiry import WaitingTurns
from chat_service.turns.frames.log import FrameLog
from chat_service.turns.frames.watch import TurnWatcher
from chat_service.turns.retention import TurnRetention
from shared.aio import run_every, start_loop
from shared.clock import Clock
from shared.db import database
from shared.db.clock import sync_clock
from shared.db.signing_keys import load_signing_key
from shared.db.tenancy import Tenancy
from shared.registries.catalogue import register_builtins
from shared.rpc import client
from shared.rpc.access import Access
from shared.rpc.configuration import build_server, read_credentials, read_tls
from shared.rpc.idempotency import Idempotency
from shared.rpc.page_tokens import PAGE_TOKENS, PageReader
from shared.rpc.server.open_streams import OpenStreams
from shared.rpc.server.rpc_server import RpcServer
from shared.rpc.wakeups import drain_wakeups
from shared.sandbox.pool import Sandbox
from shared.security.secretbox import SecretBox
from shared.telemetry import logs
from shared.validation.check_runner import CheckRunner

NAME = "chat_service"
SERVICES = ("rota.chat.v1.ChatService", "rota.agent.v1.AgentService")
SANDBOX_JOBS = "chat_service.sandbox_jobs"
EXPIRY_SECONDS = 5.0
NOTICE_SECONDS = 2.0
SWEEP_SECONDS = 60.0
LARGEST_MESSAGE = 8 << 20

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatServer:
    """A running service. `tick` does at once what happens by the clock."""

    port: int
    db: AsyncEngine
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
    timeouts: Timeouts | None = None,
) -> AsyncIterator[ChatServer]:
    """Builds and serves; on leaving, drains and closes in the opposite order."""
    prepare_process()
    register_builtins()
    if settings.drain_wakeups:
        drain_wakeups(asyncio.get_running_loop())
    sandbox = Sandbox(module=SANDBOX_JOBS, size=settings.sandbox_processes)
    checks = CheckRunner(sandbox=sandbox)
    fetcher = dataclasses.replace(fetcher or Fetcher(), sandbox=sandbox)
    timeouts = timeouts or Timeouts()
    box = SecretBox.parse(settings.secret_keys.get_secret_value())
    secured = read_tls(settings)
    # before what is built from them
    replace_prompts(read_prompts(settings.prompts_dir) if settings.prompts_dir else {})
    models = models or await _models(settings)
    url = settings.database_url.get_secret_value()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(replace_prompts, {})
        stack.push_async_callback(sandbox.close)
        db = database.create_engine(url, schema=tables.SCHEMA, pool_size=settings.pool_size)
        stack.push_async_callback(db.dispose)
        leases = database.create_engine(url, schema=tables.SCHEMA, pool_size=1)
        stack.push_async_callback(leases.dispose)
        await require_migrated(db, checkpoints=checkpoints_version())
        clock = clock or await sync_clock(stack, db)
        tenancy = Tenancy(tables.tenants)
        checkpoints = await stack.enter_async_context(
            open_checkpoints(url, max_connections=settings.checkpoint_pool_size)
        )
        toolbox = build_toolset(models, clock, fetcher, os.environ, McpToolStore(db=db), timeouts)
        catalogue = toolbox.catalogue
        await toolbox.mcp.load()
        await start_loop(stack, run_every(timeouts.mcp_refresh_interval, toolbox.mcp.refresh))
        await start_loop(stack, toolbox.mcp.follow_changes())
        store = ApprovalStore(db=db, clock=clock, expire_after=settings.approvals_expire_after)
        if automations is None:
            channel = client.open_channel(settings.peer_address, tls=secured)
            stack.push_async_callback(channel.close)
            behalf = read_credentials(
                settings,
                service=NAME,
                audience=AUTOMATION_SERVICE,
                members=functools.partial(tenancy.read_membership, db),
            )
            automations = AutomationClient(
                stub=automation_pb2_grpc.AutomationServiceStub(channel),
                destinations=destination_pb2_grpc.DestinationServiceStub(channel),
                behalf=behalf,
                results=ResultClient.of(channel, behalf),
                catalogue=catalogue,
                checks=checks,
                claims=store.read_claim,
            )
            approval_notifier = ApprovalNotifier(
                db=db,
                clock=clock,
                stub=notice_pb2_grpc.NoticeServiceStub(channel),
                behalf=behalf,
            )
            await start_loop(stack, run_every(NOTICE_SECONDS, approval_notifier.notify_pending))
        agent = Agent(
            checkpoints=checkpoints,
            approvals=store,
            claims=ToolCallStore(db=db),
            automations=automations,
            catalogue=catalogue,
            checks=checks,
            clock=clock,
            retry=retry,
            timeouts=timeouts,
            images=ImageStore(db=db),
            thread_titles=ThreadTitleStore(db=db).read,
            capability_tools=toolbox.definitions,
            may_appear_later=toolbox.mcp.may_appear_later,
            models=models,
            subagents=models.subagents if isinstance(models, Models) else (),
        )
        memory = FeatureMemory(db=db, clock=clock)
        await memory.load()
        await start_loop(stack, run_every(SWEEP_SECONDS, memory.load, delay=SWEEP_SECONDS))
        model_loader = ModelLoader(
            db=db,
            models=models,
            client=custom_endpoint.open_client(local=settings.local_models),
            box=box,
            memory=memory,
            local=settings.local_models,
        )
        stack.push_async_callback(model_loader.client.aclose)
        deps = _flow_deps(db, clock, agent, automations, model_loader, timeouts)
        stack.push_async_callback(title_gen.stop, deps)
        frame_log = FrameLog(db, clock, lease=settings.turn_lease, timeouts=timeouts)
        watcher = TurnWatcher(db, frame_log, clock, heartbeat_seconds=settings.heartbeat_seconds)
        streams = OpenStreams()
        check_streams = functools.partial(
            streams.check, functools.partial(tenancy.read_memberships, db)
        )
        turn_engine = TurnEngine(
            db,
            clock,
            frame_log,
            watcher,
            leases=leases,
            flow=functools.partial(run_segment, deps),
            delete_checkpoints=agent.delete_checkpoints,
            estimate_lost_usage=functools.partial(estimate_lost_usage, deps),
            check_streams=check_streams,
            lease=settings.turn_lease,
            timeouts=timeouts,
        )
        waiting_turns = WaitingTurns(
            db=db, clock=clock, log=frame_log, delete_checkpoints=agent.delete_checkpoints
        )
        retention = TurnRetention(
            db=db,
            clock=clock,
            tenancy=tenancy,
            delete_checkpoints=agent.delete_checkpoints,
            frames_kept=settings.frames_kept,
        )
        key_rotation = KeyRotation(model_loader=model_loader)
        loops = (
            run_every(settings.heartbeat_seconds, check_streams),
            frame_log.run(),
            watcher.run(),
            turn_engine.run(),
            run_every(EXPIRY_SECONDS, waiting_turns.expire),
            # A process that has just started serves first.
            run_every(SWEEP_SECONDS, retention.sweep, delay=SWEEP_SECONDS),
            run_every(SWEEP_SECONDS, key_rotation.rotate, delay=SWEEP_SECONDS / 2),
        )
        # before turns are recovered, whose tools may be those of MCP servers
        await toolbox.mcp.wait_ready()
        for loop in loops:
            await start_loop(stack, loop)
        stack.push_async_callback(turn_engine.stop, settings.grace_seconds)
        page_key = await load_signing_key(db, tables.signing_keys, PAGE_TOKENS, clock.now())
        pages = PageReader(key=page_key, clock=clock)
        servicers = _servicers(
            deps, pages, turn_engine, watcher, frame_log, waiting_turns, fetcher, toolbox, checks
        )
        server = _server(settings, servicers, streams)
        stack.push_async_callback(server.stop)
        await server.start()

        async def tick() -> None:
            await waiting_turns.expire()
            await retention.sweep()
            await key_rotation.rotate()

        yield ChatServer(port=server.port, db=db, tick=tick)


def _flow_deps(
    db: AsyncEngine,
    clock: Clock,
    agent: Agent,
    automations: AutomationsPort,
    model_loader: ModelLoader,
    timeouts: Timeouts,
) -> FlowDeps:
    models = model_loader.models
    credit = models.monthly_credit_micros if isinstance(models, Models) else None
    quota = Quota(monthly_credit_micros=credit, clock=clock)
    return FlowDeps(
        db=db,
        clock=clock,
        agent=agent,
        automations=automations,
        model_loader=model_loader,
        auto_pin=AutoPin(model_loader=model_loader, quota=quota, clock=clock),
        quota=quota,
        timeouts=timeouts,
    )


def _servicers(
    deps: FlowDeps,
    pages: PageReader,
    turn_engine: TurnEngine,
    watcher: TurnWatcher,
    frame_log: FrameLog,
    waiting_turns: WaitingTurns,
    fetcher: Fetcher,
    toolbox: Toolset,
    checks: CheckRunner,
) -> tuple[ChatServicer, AgentServicer]:
    db, clock, tenancy = deps.db, deps.clock, Tenancy(tables.tenants)
    access = Access(db=db, clock=clock, tenancy=tenancy)
    idempotency = Idempotency(db=db, clock=clock, tenancy=tenancy)
    opener = TurnOpener(
        clock=deps.clock,
        log=frame_log,
        turn_engine=turn_engine,
        auto_pin=deps.auto_pin,
        quota=deps.quota,
        plain_start=turn_start.PlainTurnStart(db),
    )
    decider = ApprovalDecider(
        db=db,
        idempotency=idempotency,
        router=ResumeRouter(
            clock=clock,
            log=frame_log,
            turn_engine=turn_engine,
            auto_pin=deps.auto_pin,
            quota=deps.quota,
            tenancy=tenancy,
        ),
        turn_engine=turn_engine,
        payload_check=PayloadCheck(
            automations=deps.automations,
            models=deps.model_loader,
            checks=checks,
            clock=clock,
        ),
        edited_card=EditedCard(
            db=db,
            automations=deps.automations,
            thread_titles=ThreadTitleStore(db=db).read,
            model_loader=deps.model_loader,
            rules=lambda: {tool.name: tool.approval for tool in toolbox.definitions()},
        ),
    )
    chat = ChatServicer(
        db=db,
        clock=clock,
        access=access,
        idempotency=idempotency,
        pages=pages,
        opener=opener,
        turn_engine=turn_engine,
        watcher=watcher,
        waiting_turns=waiting_turns,
        decider=decider,
        message_reader=UserMessageReader(db=db, automations=deps.automations, fetcher=fetcher),
        model_loader=deps.model_loader,
        model_tests=ModelTests(db=db, clock=clock, quota=deps.quota),
        burst=deps.burst,
    )
    agent = AgentServicer(
        db=db,
        clock=clock,
        access=access,
        log=frame_log,
        idempotency=idempotency,
        opener=opener,
        turn_engine=turn_engine,
        watcher=watcher,
        model_loader=deps.model_loader,
        catalogue=toolbox.catalogue,
        checks=checks,
    )
    return chat, agent


def _server(
    settings: ChatSettings, servicers: tuple[ChatServicer, AgentServicer], streams: OpenStreams
) -> RpcServer:
    chat, agent = servicers
    return build_server(
        settings,
        service=NAME,
        service_names=SERVICES,
        add=[
            functools.partial(chat_pb2_grpc.add_ChatServiceServicer_to_server, chat),
            functools.partial(agent_pb2_grpc.add_AgentServiceServicer_to_server, agent),
        ],
        translate=database.translate,
        streams=streams,
        admit=chat.access.admit,
        limits={"/rota.chat.v1.ChatService/SendMessage": LARGEST_MESSAGE},
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
