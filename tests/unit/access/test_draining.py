"""A pod's own drain: how long it waits for a place."""

from __future__ import annotations

from services.access.drain_parts import DrainParts
from services.access.draining import Draining
from services.access.session_table import SessionTable
from services.access.settings import DrainSettings
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.core.drain.candidates import Candidate

OTHER = Candidate("access-1", "127.0.0.1:1", sessions=10, arrivals_per_second=12.0)
NO_PLACE_NOW = drain_pb2.AttendResponse(
    term=1, drain=drain_pb2.Drain(plan_id="plan", sessions_per_second=0, deadline_ms=60_000)
)


class Pod:
    """Its parts, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        settings = DrainSettings(nowhere_seconds=3.0)
        table = SessionTable()
        self.parts = DrainParts.make("access-0", b"s" * 32, table, settings, clock=lambda: self.now)
        self.draining = Draining(
            self.parts.drain,
            self.parts.moves,
            self.parts.chooser,
            table,
            settings,
            access_pods=lambda: 2,
            on_phase=lambda phase: None,
            clock=lambda: self.now,
        )

    def sees(self, *others: Candidate) -> None:
        self.parts.chooser.see(others, leaving="access-0", revision=None, now=self.now)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.draining.tick()


def test_no_place_for_a_moment_is_no_reason_to_cut_streams() -> None:
    pod = Pod()
    pod.sees(OTHER)
    pod.draining.begin_stop("SIGTERM", 60.0)
    for _ in range(10):
        pod.draining.order(NO_PLACE_NOW)
        pod.passes(2.0)
    assert pod.parts.drain.deadline == 1_060.0


def test_the_last_pod_waits_for_nobody() -> None:
    pod = Pod()
    pod.draining.begin_stop("SIGTERM", 60.0)
    pod.passes(2.9)
    assert pod.parts.drain.deadline == 1_060.0
    pod.passes(0.2)
    assert pod.parts.drain.deadline == pod.now


def test_shares_that_no_longer_hold_are_nobody() -> None:
    pod = Pod()
    share = drain_pb2.TargetShare(pod_id="access-1", endpoint="127.0.0.1:1", weight=1.0)
    order = drain_pb2.AttendResponse()
    order.CopyFrom(NO_PLACE_NOW)
    order.drain.targets.append(share)
    pod.draining.begin_stop("SIGTERM", 60.0)
    pod.draining.order(order)
    pod.passes(9.0)
    assert pod.parts.drain.deadline == 1_060.0, "the controller has just named somebody"
    pod.passes(2.0)
    pod.passes(3.0)
    assert pod.parts.drain.deadline == pod.now, "and then fell silent, and nobody is there"
