"""The only place that builds the service's objects."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from rota.automation.v1 import automation_pb2, automation_pb2_grpc
from rota.notice.v1 import notice_pb2, notice_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.api.access import Access
from automation_service.api.notice_servicer import NoticeApi
from automation_service.api.servicer import Api
from automation_service.automations.capability_cache import PEER, Capabilities, Source
from automation_service.automations.lifecycle import Changes
from automation_service.automations.revisions import Revisions
from automation_service.automations.service import Automations
from automation_service.idempotency import Once
from automation_service.persistence.enums import SCHEMA
from automation_service.persistence.schema_version import is_migrated
from automation_service.persistence.tables import TENANTS
from automation_service.queue import Engine, PgQueuer
from automation_service.retention import Kept, Retention
from automation_service.runs.agent_client import GrpcAgent
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.service import Runs
from automation_service.runs.worker import Runner
from automation_service.runs.writer import Journal
from automation_service.scheduling.ledger import Slots
from automation_service.scheduling.scheduler import Scheduler
from automation_service.scheduling.slot_decision import Policy
from automation_service.settings import Settings
from automation_service.webhooks.delivery import Deliveries
from automation_service.webhooks.secrets import Secrets
from automation_service.webhooks.sender import Poster
from automation_service.webhooks.service import Webhooks
from shared.clock import Clock, CorrectedClock
from shared.db import database
from shared.db.tenancy import Tenancy
from shared.registries.catalogue import register_builtins
from shared.rpc import tls
from shared.rpc.client import DelegatedCredentials, open_channel
from shared.rpc.interceptor import ServerInterceptor
from shared.rpc.server import RpcServer
from shared.security import caller
from shared.security.secretbox import SecretBox
from shared.telemetry import logs

NAME: Final = "automation_service"
SERVICE: Final = automation_pb2.DESCRIPTOR.services_by_name["AutomationService"].full_name
NOTICES: Final = notice_pb2.DESCRIPTOR.services_by_name["NoticeService"].full_name

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The running service. `port` is 0 without the role api."""

    port: int
    scheduler: Scheduler
    runner: Runner
    capabilities: Capabilities
    deliveries: Deliveries
    store: AsyncEngine


async def migrate(settings: Settings) -> None:
    """Brings both schemas to what this version wants; harmless when they are there."""
    upgrade = partial(database.upgrade, package="automation_service.persistence", schema=SCHEMA)
    # Alembic runs a loop of its own.
    await asyncio.to_thread(upgrade, settings.database_url)
    await PgQueuer(url=settings.database_url).install()


@contextlib.asynccontextmanager
async def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    agent: StoppableAgent | None = None,
    source: Source | None = None,
    engine: Engine | None = None,
    poster: Poster | None = None,
) -> AsyncIterator[Service]:
    """The service, serving until the context is left; then it drains.

    `source` is where the catalogue of capabilities comes from.
    """
    corrected = CorrectedClock()
    follows = clock is None
    clock = clock or corrected
    register_builtins()
    async with contextlib.AsyncExitStack() as closers:
        store = database.create_engine(
            settings.database_url, schema=SCHEMA, pool_size=settings.pool_size
        )
        closers.push_async_callback(store.dispose)
        peer = open_channel(settings.peer_address, tls=_tls(settings))
        closers.push_async_callback(peer.close)
        remote = GrpcAgent(channel=peer, behalf=_behalf(settings))
        engine = engine or PgQueuer(
            url=settings.database_url,
            lease=timedelta(seconds=settings.lease_seconds),
            look=timedelta(seconds=settings.look_seconds),
            concurrency=settings.concurrent_runs,
        )
        poster = poster or Poster(local=settings.local_webhooks)
        secrets = Secrets(box=SecretBox.parse(settings.secret_keys.get_secret_value()))
        deliveries = Deliveries(
            store=store,
            clock=clock,
            secrets=secrets,
            poster=poster,
            look=timedelta(seconds=settings.look_seconds),
        )
        tenancy = Tenancy(TENANTS)
        retention = timedelta(days=settings.slot_retention_days)
        scheduler = Scheduler(
            store=store,
            engine=engine,
            clock=clock,
            policy=Policy(on_time=timedelta(seconds=settings.on_time_seconds), retention=retention),
        )
        journal = Journal(
            store=store,
            engine=engine,
            clock=clock,
            most_failures=settings.max_consecutive_failures,
            most_events=settings.events_kept,
        )
        closers.push_async_callback(journal.close)
        runner = Runner(
            store=store, engine=engine, agent=agent or remote, clock=clock, journal=journal
        )
        capabilities = Capabilities(store=store, source=source or remote, clock=clock)
        await _require_migrated(store)
        await capabilities.load()
        once = Once(store=store, tenancy=tenancy, clock=clock)
        access = Access(store=store, tenancy=tenancy, clock=clock)
        api = Api(
            access=access,
            automations=Automations(
                store=store,
                clock=clock,
                once=once,
                catalogue=capabilities.catalogue,
                written=scheduler.wake,
            ),
            changes=Changes(
                store=store,
                clock=clock,
                once=once,
                catalogue=capabilities.catalogue,
                scheduler=scheduler,
            ),
            revisions=Revisions(store=store),
            runs=Runs(store=store, engine=engine, clock=clock, once=once),
            slots=Slots(store=store, clock=clock, retention=retention),
            webhooks=Webhooks(store=store, clock=clock, once=once, secrets=secrets, poster=poster),
            capabilities=capabilities,
        )
        stop = asyncio.Event()
        loops = _loops(settings, stop, scheduler, runner, capabilities, engine)
        sweeper = Retention(store=store, clock=clock, kept=_kept(settings))
        if "ticker" in settings.roles:
            loops.append(sweeper.run(stop, settings.retention_seconds))
        if "worker" in settings.roles:
            loops.append(deliveries.run(stop))
        if follows:
            measure = partial(database.read_time, store)
            await corrected.correct(measure)
            loops.append(corrected.follow(measure, stop))
        await closers.enter_async_context(_running(stop, loops))
        port = 0
        if "api" in settings.roles:
            server = _server(settings, api, NoticeApi(access=access, store=store, clock=clock))
            closers.push_async_callback(server.stop)
            await server.start()
            port = server.port
        # First of all to close, so that nothing is claimed while calls in flight end.
        closers.callback(stop.set)
        log.info("service_started", roles=sorted(settings.roles), port=port)
        yield Service(
            port=port,
            scheduler=scheduler,
            runner=runner,
            capabilities=capabilities,
            deliveries=deliveries,
            store=store,
        )


async def _require_migrated(store: AsyncEngine) -> None:
    async with store.connect() as connection:
        if not await is_migrated(connection):
            raise RuntimeError(
                "the database is not at this version; run `python -m automation_service migrate`"
            )


def _kept(settings: Settings) -> Kept:
    return Kept(
        slots=timedelta(days=settings.slot_retention_days),
        most_slots=settings.slots_kept,
        runs=timedelta(days=settings.run_retention_days),
        most_runs=settings.runs_kept,
        events=timedelta(days=settings.event_retention_days),
        requests=timedelta(days=settings.request_retention_days),
        audits=timedelta(days=settings.audit_retention_days),
        deliveries=timedelta(days=settings.delivery_retention_days),
    )


def _loops(
    settings: Settings,
    stop: asyncio.Event,
    scheduler: Scheduler,
    runner: Runner,
    capabilities: Capabilities,
    engine: Engine,
) -> list[Coroutine[Any, Any, None]]:
    found = [capabilities.follow(stop)]
    if "ticker" in settings.roles:
        found.append(scheduler.run(stop))
        found.append(runner.reconcile(stop, settings.reconcile_seconds))
    if "worker" in settings.roles:
        found.append(engine.serve(runner.carry_out, stop))
        found.append(runner.watch(stop))
    return found


@contextlib.asynccontextmanager
async def _running(
    stop: asyncio.Event, loops: list[Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Runs the loops beside; on the way out they get a moment to hand back what they hold."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=5)
        for task in late:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("loop_failed", exc_info=ended)


def _server(settings: Settings, api: Api, notices: NoticeApi) -> RpcServer:
    verifier = caller.Verifier(
        users=caller.read_key_set(settings.jwks_file),
        services=caller.read_key_set(settings.service_jwks_file),
        service=NAME,
    )
    return RpcServer(
        listen=settings.listen,
        interceptor=ServerInterceptor(
            verifier=verifier, translate=database.translate, services_only=(f"/{NOTICES}/",)
        ),
        service_names=[SERVICE, NOTICES],
        add=[
            partial(automation_pb2_grpc.add_AutomationServiceServicer_to_server, api),
            partial(notice_pb2_grpc.add_NoticeServiceServicer_to_server, notices),
        ],
        grace_seconds=settings.grace_seconds,
        drain_seconds=settings.drain_seconds,
        tls=_tls(settings),
    )


def _tls(settings: Settings) -> tls.Tls | None:
    return tls.read(
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_ca_file,
        clients_show=settings.tls_clients_show,
    )


def _behalf(settings: Settings) -> DelegatedCredentials:
    identity = caller.ServiceIdentity(
        service=NAME, key_pem=settings.service_key_file.read_text(), key_id=NAME
    )
    return DelegatedCredentials(identity=identity, audience=PEER)
