"""Wires an Access pod together. The only place that knows all of its parts."""

from __future__ import annotations

import time

from services.access.acks import AckKeeper
from services.access.arrivals import BURST_SECONDS, SHARED_BURST_SECONDS
from services.access.client_stream import ClientStream
from services.access.departures import Departures
from services.access.drain_parts import DrainParts
from services.access.drain_socket import drain_socket
from services.access.draining import GOODBYE_STEPS_SECONDS, Goodbye
from services.access.handshake import Handshake, PodIdentity
from services.access.head_checks import HeadChecks
from services.access.kicks import Kicks
from services.access.link import HighestId, Link
from services.access.links import Links
from services.access.membership import Membership
from services.access.metrics import access_metrics
from services.access.requests import LogicRequests
from services.access.responses import LogicResponses
from services.access.revocations import FollowRevocations
from services.access.routes import Routes
from services.access.servicer import AccessServicer
from services.access.session_table import SessionTable
from services.access.settings import AccessSettings
from services.access.shell.opening import open_shell
from services.access.signal_desk import SignalDesk
from services.access.signal_requests import SignalRequests
from services.access.stream_services import StreamServices
from services.access.trace_parts import open_traces
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.revocations import RevocationTable
from whimbrel.runtime.auth import open_pod_secret, open_verifier
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.ticker import Deadlines


async def start(settings: AccessSettings, chassis: Chassis) -> None:
    """Build the pod on its chassis and start its tasks."""
    own = settings.stream
    clock = time.monotonic
    tokens = open_verifier(settings.auth)
    channel = await chassis.stack.enter_async_context(chassis.dial(settings.router.addresses))
    router = router_pb2_grpc.RouterServiceStub(channel)
    identity = PodIdentity(chassis.pod_id, chassis.incarnation)

    table = SessionTable()
    highest = HighestId()
    deadlines: Deadlines[ClientStream] = Deadlines()

    def make_link(pod: router_pb2.Pod) -> Link:
        return Link(
            pod,
            logic_pb2.LinkHello(pod_id=identity.pod_id, incarnation=identity.incarnation),
            responses,
            highest,
            send_seconds=own.send_seconds,
            fetch_seconds=own.fetch_seconds,
            dial=chassis.dial,
        )

    def on_stored(user_id: str, device_id: str, cursor: int) -> None:
        for stream in table.of_device(user_id, device_id):
            stream.ack_stored(cursor)

    send_traces, delivery_traces = open_traces(settings, chassis, clock=clock)
    links = Links(make_link)
    requests = LogicRequests(links, clock=clock, send_seconds=own.send_seconds)
    acks = AckKeeper(requests, on_stored, clock=clock, flush_seconds=own.ack_flush_seconds)
    head_checks = HeadChecks(table, requests, clock=clock)
    signals = SignalDesk(table, SignalRequests(links), flush_seconds=own.ack_flush_seconds)
    responses = LogicResponses(
        links,
        table,
        acks,
        head_checks,
        signals,
        highest,
        clock=clock,
        commit_seconds=own.send_seconds,
        send_traces=send_traces,
        delivery_traces=delivery_traces,
    )
    routes = Routes(
        router,
        table,
        head_checks,
        Kicks(identity.pod_id, table, requests),
        settings.devices,
        pod_id=identity.pod_id,
        incarnation=identity.incarnation,
        assert_seconds=own.assert_seconds,
        clock=clock,
    )
    departures = Departures(
        router, lambda stream: routes.session_of(stream, stream.epoch), signals.gone
    )
    revoked = RevocationTable()
    following = FollowRevocations(links, revoked, table, clock=clock, wall_clock=time.time)
    shell = await open_shell(settings, chassis, clock=clock)
    parts = DrainParts.make(
        settings.pod_name,
        open_pod_secret(settings.auth),
        table,
        settings.drain,
        clock=clock,
        tokens=tokens,
        revoked=revoked,
        is_full=shell.is_full,
        burst_seconds=SHARED_BURST_SECONDS if settings.shares_port else BURST_SECONDS,
    )
    membership = Membership(settings, chassis, router, table, parts, clock=clock)
    registration = membership.registration
    registration.on_pods(links.see)
    registration.on_lost(routes.assert_soon)

    handshake = Handshake(identity, parts.admission, routes, membership.endpoints)
    services = StreamServices(
        own,
        table,
        requests,
        acks,
        departures,
        deadlines,
        parts.moves,
        signals,
        settings.drain.linger_seconds,
        clock,
        shell,
        send_traces,
        delivery_traces,
    )
    servicer = AccessServicer(services, handshake, links, tokens, revoked)
    access_pb2_grpc.add_AccessServiceServicer_to_server(servicer, chassis.server)
    chassis.serves(access_pb2.DESCRIPTOR.services_by_name["AccessService"].full_name)

    chassis.metrics.add(
        lambda: access_metrics(
            sessions=len(table),
            drain=parts.drain,
            arrivals=parts.arrivals,
            loop_lag_ms=membership.loop_lag_ms,
            acks=acks.statistics(),
            revocations=(len(revoked), following.age_seconds),
            links=[link.statistics() for link in links if link.up],
            streams=services.tally.figures(servicer.open_streams, own.window_messages),
            now=clock(),
        )
    )
    loops = {
        **membership.loops,
        "links": links.run,
        "request-expiry": requests.run_expiry,
        "attaches": routes.run_attaches,
        "asserts": routes.run_asserts,
        "head-checks": head_checks.run,
        "acks": acks.run,
        "receipts": signals.run,
        "watches": signals.run_watches,
        "departures": departures.run,
        "revocations": following.run,
    }
    for name, loop in loops.items():
        chassis.spawn(loop(), name)
    chassis.spawn(deadlines.run(clock, lambda stream: stream.on_deadline(clock())), "deadlines")

    if settings.drain.socket is not None:
        hook = drain_socket(
            settings.drain.socket,
            membership.draining,
            membership.status,
            settings.drain.deadline_seconds,
        )
        await chassis.stack.enter_async_context(hook)

    goodbye = Goodbye(
        acks,
        departures,
        servicer.open_streams,
        registration,
        spread_seconds=settings.drain.close_spread_seconds,
        goodbye_seconds=own.goodbye_seconds,
    )

    async def empty() -> None:
        membership.draining.begin_stop("SIGTERM", settings.drain.deadline_seconds)
        await membership.draining.wait_empty()

    chassis.on_drain(goodbye.say, GOODBYE_STEPS_SECONDS)
    chassis.on_drain(empty, settings.drain.deadline_seconds + own.goodbye_seconds)


SERVICE = ServiceSpec("access", AccessSettings, start, client_facing=True)
