"""A pod's own drain: how long it waits for a place."""

from __future__ import annotations

from structlog.testing import capture_logs

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


REST = drain_pb2.AttendResponse(term=1, rest=drain_pb2.Rest())


class Crowded(SessionTable):
    """A pod's table as far as its deadline goes: somebody is on it."""

    def __init__(self, sessions: int) -> None:
        super().__init__()
        self._sessions = sessions

    def __len__(self) -> int:
        return self._sessions


class Pod:
    """Its parts, and a clock that the test moves."""

    def __init__(self, sessions: int = 0) -> None:
        self.now = 1_000.0
        settings = DrainSettings(nowhere_seconds=3.0)
        table = Crowded(sessions)
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


def test_a_deadline_that_is_too_short_is_said_at_the_beginning_and_once() -> None:
    pod = Pod(sessions=100)
    pod.sees(OTHER)
    with capture_logs() as lines:
        pod.draining.begin_stop("preStop", 20.0)
        pod.draining.begin_stop("SIGTERM", 20.0)
    (said,) = [line for line in lines if line["event"] == "deadline_too_short"]
    assert said["sessions"] == 100
    assert said["per_second"] == 6.0, "two pods share what the other one takes"
    assert said["needed_seconds"] == 22
    assert said["deadline_seconds"] == 20.0


def test_under_a_leader_a_pod_may_be_as_fast_as_its_targets_together() -> None:
    pod = Pod(sessions=100)
    pod.sees(OTHER)
    pod.draining.order(REST)
    with capture_logs() as lines:
        pod.draining.begin_stop("SIGTERM", 20.0)
    assert "deadline_too_short" not in {line["event"] for line in lines}
