"""The controller's edges: settings, the contract's numbers, who attends, and the lease."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

from services.drain.attendance import SILENT_SECONDS, Attendance, Told
from services.drain.domain.facts import Report
from services.drain.domain.orders import REST, Drain, Shed
from services.drain.domain.plans import PlanKind, PlanOutcome
from services.drain.settings import DrainSettings, LeaderSettings, PlatformSettings
from services.drain.translate import order_to_wire, registered_of, report_of, role_name
from services.drain.usecases.lead import Leader
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.settings import RouterTarget
from whimbrel.testing.memory_platform import MemoryLeadership, MemoryLease


def test_the_numbers_are_those_of_the_contract() -> None:
    for core, wire, prefix in (
        (DrainPhase, drain_pb2.DrainPhase, "DRAIN_PHASE_"),
        (PlanKind, drain_pb2.PlanKind, "PLAN_KIND_"),
        (PlanOutcome, drain_pb2.PlanOutcome, "PLAN_OUTCOME_"),
    ):
        names = {prefix + one.name: one.value for one in core}
        assert names | {f"{prefix}UNSPECIFIED": 0} == dict(wire.items())


def test_a_phase_that_is_not_known_counts_as_active() -> None:
    assert report_of(drain_pb2.AttendRequest(pod_id="a", phase=99)).phase is DrainPhase.ACTIVE  # type: ignore[arg-type]
    assert role_name(router_pb2.POD_ROLE_DRAIN) == "drain"
    assert role_name(99) == "unknown"  # type: ignore[arg-type]


def test_orders_carry_the_term_and_whole_milliseconds() -> None:
    assert order_to_wire(Told(7, REST)).WhichOneof("order") == "rest"
    drain = order_to_wire(Told(7, Drain("p", 2.5, 1.2345, ())))
    assert (drain.term, drain.drain.deadline_ms, drain.drain.sessions_per_second) == (7, 1234, 2.5)
    assert order_to_wire(Told(7, Drain("p", 1.0, 1e12, ()))).drain.deadline_ms == 2**32 - 1
    assert order_to_wire(Told(7, Shed("p", 5, 1.0, ()))).shed.count == 5


def test_a_start_is_brought_onto_our_clock_and_an_unsaid_one_is_old() -> None:
    pod = router_pb2.Pod(pod_id="a", role=router_pb2.POD_ROLE_ACCESS, started_ms=90_000)
    assert registered_of(pod, 500.0, 100_000).started_at == 490.0
    assert registered_of(router_pb2.Pod(pod_id="a"), 500.0, 100_000).started_at < -80_000


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValidationError, match="address must be set"):
        PlatformSettings(kind="local")
    with pytest.raises(ValidationError, match="at most half"):
        LeaderSettings(lease_seconds=5.0, renew_seconds=4.0)
    made = DrainSettings(platform=PlatformSettings(), router=RouterTarget(addresses="a:1"))
    assert made.pod.id == "drain-0"
    assert made.plans.limits().deadline_seconds == 60.0


async def test_only_the_newest_stream_and_the_newest_order_count() -> None:
    now = [0.0]
    news: list[int] = []
    attendance = Attendance(lambda: now[0], lambda: news.append(1))
    first = attendance.join(Report("a", "run"))
    attendance.tell("a", Told(1, REST))
    attendance.tell("a", Told(2, REST))
    assert await first.wait_order() == Told(2, REST)
    second = attendance.join(Report("a", "run", sessions=5))
    assert await first.wait_order() is None, "its stream ends"
    attendance.leave(first)
    assert attendance.reports()["a"].sessions == 5
    seen = len(news)
    attendance.take(second, Report("a", "run", sessions=6))
    assert len(news) == seen, "load is no news"
    attendance.take(second, Report("a", "run", sessions=6, phase=DrainPhase.EMPTY))
    assert len(news) == seen + 1
    now[0] += SILENT_SECONDS + 1
    assert attendance.reports() == {}, "who is silent is not believed"
    attendance.leave(second)
    assert attendance.take_last_words()["a"].phase is DrainPhase.EMPTY
    assert attendance.take_last_words() == {}


async def test_who_attends_says_who_it_is() -> None:
    attendance = Attendance(lambda: 0.0, lambda: None)
    with pytest.raises(WhimbrelError):
        attendance.join(Report("", "run"))
    attendee = attendance.join(Report("a", "run"))
    with pytest.raises(WhimbrelError):
        attendance.take(attendee, Report("b", "run"))
    await attendance.close()
    with pytest.raises(WhimbrelError) as refusal:
        attendance.join(Report("c", "run"))
    assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_a_leader_takes_a_term_above_what_pods_have_seen_and_yields_in_time() -> None:
    now, seen = [0.0], [10**13]
    lease = MemoryLease(lambda: now[0], lambda: 1.0)
    changed = asyncio.Event()
    leader = Leader(
        MemoryLeadership(lease, "one"),
        lambda: seen[0],
        changed.set,
        clock=lambda: now[0],
        lease_seconds=15.0,
        renew_seconds=5.0,
    )
    assert not leader.leads
    await leader._hold()
    assert leader.leads
    assert leader.term > seen[0]
    assert changed.is_set()
    seen[0] = leader.term + 5
    assert not leader.leads, "somebody else has ordered since"
    await leader._hold()
    assert leader.leads
    assert leader.term > seen[0]
    lease.away = True
    now[0] += 14.0
    await leader._hold()
    assert leader.leads
    now[0] += 1.0
    assert not leader.leads, "its lease has run out by its own clock"
    with pytest.raises(WhimbrelError) as refusal:
        leader.check_leads()
    assert refusal.value.code is ErrorCode.UNAVAILABLE
    assert leader.statistics().failures == 1
