"""The only place that builds the objects of the service."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from rota.automation.v1 import (
    automation_pb2,
    automation_pb2_grpc,
    delivery_pb2,
    delivery_pb2_grpc,
    destination_pb2,
    destination_pb2_grpc,
    inbox_pb2,
    inbox_pb2_grpc,
    notice_settings_pb2,
    notice_settings_pb2_grpc,
)
from rota.notice.v1 import notice_pb2, notice_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.api.delivery_servicer import DeliveryServicer
from automation_service.api.destination_servicer import DestinationServicer
from automation_service.api.inbox_servicer import InboxServicer
from automation_service.api.notice_servicer import NoticeServicer
from automation_service.api.notice_settings_servicer import NoticeSettingsServicer
from automation_service.api.servicer import AutomationServicer
from automation_service.automations.capability_cache import PEER, CapabilityCache, CapabilitySource
from automation_service.automations.destination_references import DestinationDirectory
from automation_service.automations.lifecycle import AutomationLifecycle
from automation_service.automations.revisions import Revisions
from automation_service.automations.save_checks import SaveChecks
from automation_service.automations.service import Automations
from automation_service.channels.channel import ChannelPorts
from automation_service.claim_burst import ClaimBurst
from automation_service.deliveries.directory import DeliveryDirectory
from automation_service.deliveries.inbox_items import add_to_inboxes
from automation_service.deliveries.recipients import Recipients
from automation_service.deliveries.service import Deliveries
from automation_service.deliveries.worker import DeliveryWorker
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.destinations.service import Destinations
from automation_service.destinations.verification import DestinationVerification
from automation_service.idempotency import IdempotentChanges
from automation_service.inbox.service import Inboxes
from automation_service.inbox.watch import InboxWatcher
from automation_service.notices import events as notice_events
from automation_service.notices.approval_items import ApprovalItems
from automation_service.notices.dispatcher import ApprovalReader, NoticeDispatcher
from automation_service.notices.places import NoticePlaces, check_places
from automation_service.notices.service import NoticeSettingsOfPeople
from automation_service.persistence.enums import SCHEMA
from automation_service.persistence.records import Automation
from automation_service.persistence.schema_version import require_migrated
from automation_service.persistence.tables import SIGNING_KEYS, TENANTS
from automation_service.queue import PgQueuer, RunQueue
from automation_service.retention import AutomationRetention, RetentionPolicy
from automation_service.runs.agent_client import AgentClient
from automation_service.runs.attempt import StoppableAgent
from automation_service.runs.late_usage import LateUsage
from automation_service.runs.reconciler import RunReconciler
from automation_service.runs.service import Runs
from automation_service.runs.watch import RunWatcher
from automation_service.runs.worker import RunWorker
from automation_service.runs.writer import BatchWriter
from automation_service.scheduling.backfill import Backfills
from automation_service.scheduling.ledger import Slots
from automation_service.scheduling.scheduler import Scheduler
from automation_service.scheduling.slot_decision import SlotPolicy
from automation_service.settings import AutomationSettings
from automation_service.webhooks import events
from automation_service.webhooks.delivery import WebhookDeliveryWorker
from automation_service.webhooks.secrets import WebhookSecrets
from automation_service.webhooks.sender import WebhookSender
from automation_service.webhooks.service import Webhooks
from shared.aio import run_every
from shared.clock import Clock, CorrectedClock
from shared.db import database
from shared.db.clock import follow_clock
from shared.db.signing_keys import load_signing_key
from shared.db.tenancy import Tenancy
from shared.registries.catalogue import register_builtins
from shared.rpc.access import Access
from shared.rpc.client import open_channel
from shared.rpc.configuration import build_server, read_credentials, read_tls
from shared.rpc.idempotency import Idempotency
from shared.rpc.page_tokens import PAGE_TOKENS, PageReader
from shared.rpc.server.open_streams import OpenStreams
from shared.rpc.wakeups import drain_wakeups
from shared.sandbox.pool import Sandbox
from shared.security.secretbox import SecretBox
from shared.telemetry import logs
from shared.validation.check_runner import CheckRunner

NAME: Final = "automation_service"
SERVICE: Final = automation_pb2.DESCRIPTOR.services_by_name["AutomationService"].full_name
INBOXES: Final = inbox_pb2.DESCRIPTOR.services_by_name["InboxService"].full_name
SANDBOX_JOBS: Final = "automation_service.sandbox_jobs"
DELIVERIES: Final = delivery_pb2.DESCRIPTOR.services_by_name["DeliveryService"].full_name
DESTINATIONS: Final = destination_pb2.DESCRIPTOR.services_by_name["DestinationService"].full_name
NOTICE_SETTINGS: Final = notice_settings_pb2.DESCRIPTOR.services_by_name[
    "NoticeSettingsService"
].full_name
NOTICES: Final = notice_pb2.DESCRIPTOR.services_by_name["NoticeService"].full_name

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationServer:
    """A running service. `port` is 0 without the role api."""

    port: int
    scheduler: Scheduler
    worker: RunWorker
    reconciler: RunReconciler
    capabilities: CapabilityCache
    webhook_deliveries: WebhookDeliveryWorker
    watcher: RunWatcher
    db: AsyncEngine


@contextlib.asynccontextmanager
async def service(
    settings: AutomationSettings,
    *,
    clock: Clock | None = None,
    agent: StoppableAgent | None = None,
    source: CapabilitySource | None = None,
    queue: RunQueue | None = None,
    sender: WebhookSender | None = None,
    approvals: ApprovalReader | None = None,
    directory: DestinationDirectory | None = None,
) -> AsyncIterator[AutomationServer]:
    """Runs the service inside the context, and drains it at the end.

    `source` provides the catalogue of capabilities, `approvals` says which still wait, and
    `directory` to which destinations a person can't deliver.
    """
    corrected = CorrectedClock()
    follows = clock is None
    clock = clock or corrected
    register_builtins()
    if settings.drain_wakeups:
        drain_wakeups(asyncio.get_running_loop())
    async with contextlib.AsyncExitStack() as closers:
        db = database.create_engine(
            settings.database_url.get_secret_value(), schema=SCHEMA, pool_size=settings.pool_size
        )
        closers.push_async_callback(db.dispose)
        peer = open_channel(settings.peer_address, tls=read_tls(settings))
        closers.push_async_callback(peer.close)
        tenancy = Tenancy(TENANTS)
        credentials = read_credentials(
            settings, service=NAME, audience=PEER, members=partial(tenancy.read_membership, db)
        )
        remote = AgentClient(channel=peer, credentials=credentials)
        burst = ClaimBurst()
        queue = queue or PgQueuer(
            url=settings.database_url.get_secret_value(),
            lease=timedelta(seconds=settings.lease_seconds),
            poll_interval=timedelta(seconds=settings.look_seconds),
            concurrency=settings.concurrent_runs,
            pool_size=settings.queue_pool_size,
            burst=burst,
        )
        sender = sender or WebhookSender(local=settings.local_webhooks)
        box = SecretBox.parse(settings.secret_keys.get_secret_value())
        secrets = WebhookSecrets(box=box)
        destination_secrets = DestinationSecrets(box=box)
        ports = _channel_ports(settings, clock)
        webhook_deliveries = WebhookDeliveryWorker(
            db=db,
            clock=clock,
            secrets=secrets,
            sender=sender,
            poll_interval=timedelta(seconds=settings.look_seconds),
        )
        deliveries = DeliveryWorker(
            db=db,
            clock=clock,
            recipients=Recipients(
                db=db,
                agent=remote,
                secrets=destination_secrets,
                ports=ports,
                page_url=settings.page_url,
            ),
            poll_interval=timedelta(seconds=settings.look_seconds),
        )
        retention = timedelta(days=settings.slot_retention_days)
        scheduler = Scheduler(
            db=db,
            queue=queue,
            clock=clock,
            policy=SlotPolicy(
                on_time=timedelta(seconds=settings.on_time_seconds), retention=retention
            ),
            burst=burst,
            on_resume=_record_resumed,
        )
        watcher = RunWatcher(db=db, heartbeat_seconds=settings.heartbeat_seconds)
        writer = BatchWriter(
            db=db,
            queue=queue,
            clock=clock,
            max_failures=settings.max_consecutive_failures,
            max_events=settings.events_kept,
            on_stored=watcher.poke,
            on_delivery=deliveries.wake,
            add_to_inboxes=add_to_inboxes,
        )
        closers.push_async_callback(writer.close)
        agent = agent or remote
        sandbox = Sandbox(module=SANDBOX_JOBS, size=settings.sandbox_processes)
        closers.push_async_callback(sandbox.close)
        worker = RunWorker(
            db=db,
            queue=queue,
            agent=agent,
            clock=clock,
            writer=writer,
            sandbox=sandbox,
            burst=burst,
        )
        late_usage = LateUsage(db=db, agent=agent, clock=clock)
        reconciler = RunReconciler(
            db=db, queue=queue, agent=agent, clock=clock, writer=writer, sandbox=sandbox
        )
        capabilities = CapabilityCache(db=db, source=source or remote, clock=clock)
        await require_migrated(db)
        await capabilities.load()
        idempotency = Idempotency(db=db, clock=clock, tenancy=tenancy)
        changes = IdempotentChanges(db=db, clock=clock, idempotency=idempotency)
        access = Access(db=db, tenancy=tenancy, clock=clock)
        save_checks = SaveChecks(
            directory=remote,
            destinations=directory or DeliveryDirectory(db=db, threads=remote),
            checks=CheckRunner(sandbox=sandbox),
        )
        page_key = await load_signing_key(db, SIGNING_KEYS, PAGE_TOKENS, clock.now())
        pages = PageReader(key=page_key, clock=clock)
        inbox_watcher = InboxWatcher(db=db, heartbeat_seconds=settings.heartbeat_seconds)
        inboxes = InboxServicer(
            access=access,
            pages=pages,
            inboxes=Inboxes(db=db, clock=clock, idempotency=idempotency, watcher=inbox_watcher),
        )
        servicer = AutomationServicer(
            access=access,
            pages=pages,
            automations=Automations(
                db=db,
                clock=clock,
                changes=changes,
                catalogue=capabilities.catalogue,
                save_checks=save_checks,
                on_change=scheduler.wake,
            ),
            lifecycle=AutomationLifecycle(
                db=db,
                clock=clock,
                changes=changes,
                catalogue=capabilities.catalogue,
                save_checks=save_checks,
                scheduler=scheduler,
                queue=queue,
            ),
            revisions=Revisions(db=db),
            runs=Runs(db=db, queue=queue, clock=clock, changes=changes, watcher=watcher),
            slots=Slots(db=db, clock=clock, retention=retention),
            backfills=Backfills(db=db, queue=queue, clock=clock, changes=changes),
            webhooks=Webhooks(db=db, clock=clock, changes=changes, secrets=secrets, sender=sender),
            capabilities=capabilities,
        )
        stop = asyncio.Event()
        loops = _loops(
            settings, stop, scheduler, worker, reconciler, late_usage, capabilities, queue
        )
        cleaner = AutomationRetention(db=db, clock=clock, policy=_retention_policy(settings))
        streams = OpenStreams()
        if "api" in settings.roles:
            check = partial(streams.check, partial(tenancy.read_memberships, db))
            loops.append(run_every(settings.heartbeat_seconds, check, stop=stop))
        if "ticker" in settings.roles:
            loops.append(cleaner.run(stop, settings.retention_seconds))
        if "worker" in settings.roles:
            loops.append(webhook_deliveries.run(stop))
            loops.append(deliveries.run(stop))
            loops.append(destination_secrets.rotate(db))
            dispatcher = NoticeDispatcher(
                db=db,
                clock=clock,
                tenancy=tenancy,
                approvals=approvals or remote,
                put=NoticePlaces(page_url=settings.page_url).put,
            )
            loops.append(dispatcher.run(stop, settings.look_seconds))
            items = ApprovalItems(db=db, clock=clock, approvals=approvals or remote)
            loops.append(items.run(stop))
        if "api" in settings.roles:
            loops.append(watcher.run(stop))
            loops.append(inbox_watcher.run(stop))
        if follows:
            measure = partial(database.read_time, db)
            await corrected.correct(measure)
            loops.append(follow_clock(corrected, measure, stop))
        await closers.enter_async_context(_running(stop, loops))
        port = 0
        if "api" in settings.roles:
            destinations = DestinationServicer(
                access=access,
                pages=pages,
                destinations=Destinations(
                    db=db,
                    clock=clock,
                    changes=changes,
                    secrets=destination_secrets,
                    local=settings.local_destinations,
                    on_due=deliveries.wake,
                ),
                verification=DestinationVerification(
                    db=db,
                    clock=clock,
                    changes=changes,
                    secrets=destination_secrets,
                    ports=ports,
                ),
                clock=clock,
            )
            notices = NoticeServicer(access=access, db=db, clock=clock)
            results = DeliveryServicer(
                access=access,
                pages=pages,
                deliveries=Deliveries(db=db, clock=clock, changes=changes, on_due=deliveries.wake),
            )
            notice_settings = NoticeSettingsServicer(
                access=access,
                settings=NoticeSettingsOfPeople(
                    db=db, clock=clock, changes=changes, check_places=check_places
                ),
            )
            services = {
                SERVICE: partial(
                    automation_pb2_grpc.add_AutomationServiceServicer_to_server, servicer
                ),
                INBOXES: partial(inbox_pb2_grpc.add_InboxServiceServicer_to_server, inboxes),
                DELIVERIES: partial(
                    delivery_pb2_grpc.add_DeliveryServiceServicer_to_server, results
                ),
                DESTINATIONS: partial(
                    destination_pb2_grpc.add_DestinationServiceServicer_to_server, destinations
                ),
                NOTICE_SETTINGS: partial(
                    notice_settings_pb2_grpc.add_NoticeSettingsServiceServicer_to_server,
                    notice_settings,
                ),
                NOTICES: partial(notice_pb2_grpc.add_NoticeServiceServicer_to_server, notices),
            }
            server = build_server(
                settings,
                service=NAME,
                service_names=list(services),
                add=list(services.values()),
                translate=database.translate,
                streams=streams,
                admit=access.admit,
            )
            closers.push_async_callback(server.stop)
            await server.start()
            port = server.port
        # The first to close, so that no run is claimed while the last calls end.
        closers.callback(stop.set)
        log.info("service_started", roles=sorted(settings.roles), port=port)
        yield AutomationServer(
            port=port,
            scheduler=scheduler,
            worker=worker,
            reconciler=reconciler,
            capabilities=capabilities,
            webhook_deliveries=webhook_deliveries,
            watcher=watcher,
            db=db,
        )


async def _record_resumed(
    connection: AsyncConnection, automation: Automation, resume_time: datetime, now: datetime
) -> None:
    for record in (events.record_automation_resumed, notice_events.record_automation_resumed):
        await record(connection, automation, resume_time, now)


def _channel_ports(settings: AutomationSettings, clock: Clock) -> ChannelPorts:
    file = settings.smtp_ca_file
    return ChannelPorts(
        clock=clock,
        smtp=settings.smtp_server,
        smtp_tls=None if file is None else ssl.create_default_context(cafile=file),
        local=settings.local_destinations,
    )


def _retention_policy(settings: AutomationSettings) -> RetentionPolicy:
    return RetentionPolicy(
        slots=timedelta(days=settings.slot_retention_days),
        max_slots=settings.slots_kept,
        runs=timedelta(days=settings.run_retention_days),
        max_runs=settings.runs_kept,
        events=timedelta(days=settings.event_retention_days),
        requests=timedelta(days=settings.request_retention_days),
        audits=timedelta(days=settings.audit_retention_days),
        deliveries=timedelta(days=settings.delivery_retention_days),
        read_items=timedelta(days=settings.read_inbox_item_retention_days),
        unread_items=timedelta(days=settings.unread_inbox_item_retention_days),
        max_items=settings.inbox_items_kept,
    )


def _loops(
    settings: AutomationSettings,
    stop: asyncio.Event,
    scheduler: Scheduler,
    worker: RunWorker,
    reconciler: RunReconciler,
    late_usage: LateUsage,
    capabilities: CapabilityCache,
    queue: RunQueue,
) -> list[Coroutine[Any, Any, None]]:
    found = [capabilities.follow(stop)]
    if "ticker" in settings.roles:
        found.append(scheduler.run(stop))
        found.append(reconciler.run(stop, settings.reconcile_seconds))
        found.append(late_usage.run(stop, settings.reconcile_seconds))
    if "worker" in settings.roles:
        found.append(queue.serve(worker.execute, stop))
        found.append(worker.watch(stop))
    return found


@contextlib.asynccontextmanager
async def _running(
    stop: asyncio.Event, loops: list[Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Runs loops beside the context. At the end they get 5 seconds to stop."""
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
