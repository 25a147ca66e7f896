"""Wires a Logic pod. The only file of the service that knows which adapter stands for a port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from services.logic.adapters.batch_opening_redis import RedisBatchOpening
from services.logic.adapters.conversation_history_mongo import MongoConversationHistory
from services.logic.adapters.conversation_store_mongo import MongoConversationStore
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.event_outbox_mongo import MongoEventOutbox
from services.logic.adapters.last_seen_store_mongo import MongoLastSeenStore
from services.logic.adapters.locator_grpc import GrpcLocator
from services.logic.adapters.locator_redis import RedisLocator
from services.logic.adapters.media_rights_mongo import MongoMediaRights
from services.logic.adapters.message_cache_redis import RedisMessageCache
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.moderation_stores_mongo import (
    MongoBanList,
    MongoCaseStore,
    MongoRiskStore,
)
from services.logic.adapters.paired_inserts_mongo import MongoPairedInserts
from services.logic.adapters.privacy_store_mongo import MongoPrivacyStore
from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.adapters.read_store_mongo import PULLS, MongoReadStore
from services.logic.adapters.receipt_store_mongo import MongoReceiptStore
from services.logic.adapters.relation_store_mongo import MongoRelationStore
from services.logic.adapters.search_mongo import MongoSearchFeed, MongoSearchStore, MongoTextLog
from services.logic.adapters.send_memory_redis import RedisSendMemory
from services.logic.adapters.seq_reservations_redis import RedisSeqReservations
from services.logic.adapters.settings_store_mongo import MongoSettingsStore
from services.logic.adapters.standings_mongo import MongoStandings
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.undelivered_index_redis import RedisUndeliveredIndex
from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from services.logic.adapters.watchers_redis import RedisWatchers
from services.logic.adapters.word_store_mongo import MongoWordStore
from services.logic.adapters.worker_leases_mongo import MongoWorkerLeases
from services.logic.assemble import assemble
from services.logic.audit_parts import start_audit
from services.logic.desk import Desk
from services.logic.goodbye import Goodbye
from services.logic.history_parts import HistoryStores
from services.logic.history_servicer import HistoryServicer
from services.logic.host_parts import configured_opinion, open_opinions, serve_host
from services.logic.link import LinkTable
from services.logic.metrics import commit_metrics, logic_metrics
from services.logic.parts import Stores
from services.logic.people_parts import PeopleStores
from services.logic.people_servicers import serve_people
from services.logic.servicer import LogicServicer
from services.logic.settings import LogicSettings
from services.logic.signal_parts import SignalStores
from services.logic.telling_parts import TellingStores
from services.logic.trace_parts import open_traces
from services.logic.usecases.feed_search import SearchPorts
from whimbrel.api.history.v1 import history_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.revocation_store import MongoRevocationStore
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.stores import Database, open_mongo
from whimbrel.runtime.webhook_settings import WebhookSettings

log = get_logger(__name__)

RETRY_SECONDS = 0.5
TABLE_SECONDS = 1.0
"""Within this time the Access pods have seen that this pod left the registry."""


async def start(settings: LogicSettings, chassis: Chassis) -> None:
    """Open the stores, assemble the use cases, serve, register."""
    redis = await chassis.stack.enter_async_context(open_redis(settings.redis))
    database = await chassis.stack.enter_async_context(open_mongo(settings.mongo))
    channel = chassis.dial(settings.router.addresses)
    chassis.stack.push_async_callback(channel.close)
    router = router_pb2_grpc.RouterServiceStub(channel)
    registration = _register(settings, chassis, router)
    links = LinkTable()
    messages = MongoMessageStore(database)
    timelines = MongoTimelineStore(database)
    cursors = MongoCursorStore(database)
    conversations = MongoConversationStore(database)
    leases = MongoWorkerLeases(database)
    reads = MongoReadStore(database)
    receipts = MongoReceiptStore(database)
    pulls = MongoReadStore(database, PULLS)
    settings_of = MongoSettingsStore(database)
    search = MongoSearchStore(database)
    people = PeopleStores(
        relations=(relations := MongoRelationStore(database)),
        privacy=(privacy := MongoPrivacyStore(database)),
        bans=(bans := MongoBanList(database)),
        risks=(risks := MongoRiskStore(database)),
        words=(words := MongoWordStore(database)),
        cases=(cases := MongoCaseStore(database)),
    )
    of_people = (relations, privacy, bans, risks, words, cases)
    of_history = (pulls, settings_of, search)
    media = MongoMediaRights(database)
    revocations = MongoRevocationStore(database)
    first = (messages, timelines, media, cursors, conversations, leases, reads, receipts)
    for store in (*first, *of_people, *of_history, revocations):
        await _until_it_answers(store.prepare)
    stores = Stores(
        messages=messages,
        timelines=timelines,
        cursors=cursors,
        conversations=conversations,
        people=people,
        leases=leases,
        reservations=(reservations := RedisSeqReservations(redis)),
        memory=RedisSendMemory(redis),
        reads=reads,
        media=media,
        opening=RedisBatchOpening(redis, reservations),
        pairs=MongoPairedInserts(database),
        undelivered=RedisUndeliveredIndex(redis),
        push_queue=RedisPushQueue(redis),
        locator=_locator(redis, router, registration),
        history=HistoryStores(
            conversations=MongoConversationHistory(database),
            pulls=pulls,
            unread=RedisUnreadIndex(redis),
            settings=settings_of,
            cache=RedisMessageCache(redis),
            search=SearchPorts(search, MongoSearchFeed(database), MongoTextLog(database)),
        ),
        signals=SignalStores(
            receipts=receipts,
            whereabouts=_locator(redis, router, registration),
            watchers=RedisWatchers(redis),
            last_seen=MongoLastSeenStore(database),
        ),
    )
    opinion_of = await open_opinions(settings.webhooks, chassis)
    parts = assemble(
        stores,
        links,
        opinion=configured_opinion(settings.webhooks, opinion_of),
        telling_stores=await _open_telling(settings.webhooks, database),
        asking=settings.webhooks,
        commit=settings.commit,
        worker=settings.worker,
        checking=settings.checks,
        changes=settings.changes,
        traces=(traces := open_traces(chassis)),
        holder=f"{chassis.pod_id}/{chassis.incarnation}",
        clock=time.monotonic,
        wall_ms=lambda: time.time_ns() // 1_000_000,
    )
    await _until_it_answers(parts.ids.renew)
    goodbye = Goodbye(parts)
    chassis.stack.push_async_callback(goodbye.say)
    desk = Desk(parts.use_cases, links, traces)
    logic_pb2_grpc.add_LogicServiceServicer_to_server(
        LogicServicer(desk, links, parts.groups, parts.signals.list_reads, parts.ids, revocations),
        chassis.server,
    )
    history_pb2_grpc.add_HistoryServiceServicer_to_server(
        HistoryServicer(parts.history, parts.signals.passing), chassis.server
    )
    chassis.serves("whimbrel.api.logic.v1.LogicService")
    chassis.serves("whimbrel.api.history.v1.HistoryService")
    serve_people(parts.people, chassis)
    serve_host(parts, settings.webhooks, opinion_of, chassis)
    chassis.metrics.add(lambda: logic_metrics(parts.statistics()))
    chassis.metrics.add(lambda: commit_metrics(parts.placer, parts.use_cases.read))
    start_audit(settings.audit, chassis, stores, database)
    for name, loop in {**parts.loops(settings.worker, settings.search), **desk.loops()}.items():
        chassis.spawn(loop(), name)
    chassis.spawn(registration.run(), "registration")

    async def drain() -> None:
        await registration.unregister()
        # Links stay until the pods have turned to others and everything is answered.
        if links.is_linked:
            await asyncio.sleep(TABLE_SECONDS)
        await goodbye.finish(settings.pod.grace_seconds - TABLE_SECONDS)
        links.close()

    chassis.on_drain(drain)


def _locator(
    redis: Redis, router: router_pb2_grpc.RouterServiceStub, registration: Registration
) -> RedisLocator:
    return RedisLocator(redis, GrpcLocator(router), lambda: registration.registry_id)


async def _open_telling(settings: WebhookSettings, database: Database) -> TellingStores | None:
    if not settings.events_url:
        return None
    outbox, standings = MongoEventOutbox(database), MongoStandings(database)
    for store in (outbox, standings):
        await _until_it_answers(store.prepare)
    return TellingStores(outbox, standings)


async def _until_it_answers(ask: Callable[[], Awaitable[None]]) -> None:
    """Services start in any order: wait for MongoDB, not SERVING meanwhile, and say so."""
    while True:
        try:
            return await ask()
        except WhimbrelError as error:
            log.warning("store_not_ready", detail=error.detail)
        await asyncio.sleep(RETRY_SECONDS)


def _register(
    settings: LogicSettings, chassis: Chassis, router: router_pb2_grpc.RouterServiceStub
) -> Registration:
    pod = router_pb2.Pod(
        pod_id=chassis.pod_id,
        incarnation=chassis.incarnation,
        role=router_pb2.POD_ROLE_LOGIC,
        address=chassis.address,
        revision=settings.pod.revision,
        state=router_pb2.POD_STATE_ACTIVE,
    )
    return Registration(router, lambda: pod, watch_roles=[router_pb2.POD_ROLE_LOGIC])


SERVICE = ServiceSpec(name="logic", settings_class=LogicSettings, start=start)
