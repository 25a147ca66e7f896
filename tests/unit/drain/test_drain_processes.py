"""A pod with several processes is one pod to the controller: sums, phases, and parts of orders."""

from __future__ import annotations

import math

from services.drain.domain.facts import ProcessOf, Report
from services.drain.domain.grants import Share
from services.drain.domain.orders import Drain, Rest, Shed
from services.drain.domain.processes import divide_orders, fold_reports
from whimbrel.core.drain.pacing import TargetHealth
from whimbrel.core.drain.pod_drain_types import DrainPhase

ACTIVE, DRAINING, EMPTY = DrainPhase.ACTIVE, DrainPhase.DRAINING, DrainPhase.EMPTY
SHARES = (Share("access-1", "access-1:7400", 1.0),)


def process(
    number: int,
    *,
    sessions: int = 100,
    moved: int = 0,
    phase: DrainPhase = ACTIVE,
    plan_id: str = "",
    start: str = "a",
    stopping: float | None = None,
    health: TargetHealth | None = None,
) -> Report:
    return Report(
        f"access-0.{number}",
        f"{start}{number}",
        term=number,
        phase=phase,
        plan_id=plan_id,
        sessions=sessions,
        moved=moved,
        arrivals_per_second=6.0,
        stopping_in_seconds=stopping,
        health=health or TargetHealth(),
        process_of=ProcessOf("access-0", start, 2),
    )


def by_name(*reports: Report) -> dict[str, Report]:
    return {report.pod_id: report for report in reports}


def pod_of(*reports: Report) -> Report:
    folded = fold_reports(by_name(*reports))
    assert folded.keys() == {"access-0"}
    return folded["access-0"]


def test_what_processes_hold_and_take_adds_up_and_the_slowest_counts() -> None:
    late = TargetHealth(arrivals=3, refused_busy=1, attach_p99_ms=900.0, loop_lag_ms=5.0)
    quick = TargetHealth(arrivals=4, refused_busy=0, attach_p99_ms=20.0, loop_lag_ms=70.0)
    pod = pod_of(process(1, sessions=40, health=late), process(2, sessions=60, health=quick))
    assert (pod.sessions, pod.arrivals_per_second, pod.term) == (100, 12.0, 2)
    assert pod.health == TargetHealth(7, 1, 900.0, 70.0)


def test_a_pod_without_several_processes_speaks_for_itself() -> None:
    alone = Report("access-1", "run", sessions=7)
    assert fold_reports({"access-1": alone}) == {"access-1": alone}
    assert divide_orders({"access-1": Rest()}, {"access-1": alone}) == {"access-1": Rest()}


def test_a_pod_is_empty_with_the_last_of_its_processes() -> None:
    plan = "drain.operator.1.60000@access-0"
    first = process(1, sessions=0, moved=90, phase=EMPTY, plan_id=plan)
    second = process(2, sessions=20, moved=70, phase=DRAINING, plan_id=plan)
    pod = pod_of(first, second)
    assert (pod.phase, pod.sessions, pod.moved, pod.plan_id) == (DRAINING, 20, 160, plan)
    done = second._replace(phase=EMPTY, sessions=0)
    assert pod_of(first, done).phase is EMPTY


def test_a_process_that_is_not_heard_of_keeps_its_pod_from_being_empty() -> None:
    assert pod_of(process(1, sessions=0, phase=EMPTY)).phase is DRAINING
    again = process(2, sessions=0)  # started again in the middle of the drain
    assert pod_of(process(1, sessions=0, phase=EMPTY), again).phase is DRAINING


def test_a_process_that_is_started_again_is_no_other_pod() -> None:
    before = pod_of(process(1), process(2))
    again = process(1)._replace(incarnation="another")
    assert pod_of(again, process(2)).incarnation == before.incarnation == "a"


def test_a_pod_that_is_started_again_is_another_one() -> None:
    assert pod_of(process(1, start="b"), process(2, start="b"), process(3)).incarnation == "b"


def test_a_pod_ends_when_all_its_processes_do() -> None:
    assert pod_of(process(1, stopping=30.0), process(2)).stopping_in_seconds is None
    assert pod_of(process(1, stopping=30.0), process(2, stopping=29.0)).stopping_in_seconds == 29.0


def test_the_rate_of_a_drain_is_divided_by_what_each_holds() -> None:
    order = Drain("plan", 40.0, 60.0, SHARES)
    reports = by_name(process(1, sessions=300), process(2, sessions=100))
    divided = divide_orders({"access-0": order}, reports)
    rates = {name: one.rate_per_second for name, one in divided.items() if isinstance(one, Drain)}
    assert rates == {"access-0.1": 30.0, "access-0.2": 10.0}
    assert all(one == order._replace(rate_per_second=rates[name]) for name, one in divided.items())


def test_a_process_that_holds_nobody_may_move_whoever_slips_in() -> None:
    reports = by_name(process(1, sessions=0), process(2, sessions=0))
    divided = divide_orders({"access-0": Drain("plan", 40.0, 60.0, SHARES)}, reports)
    assert [one.rate_per_second for one in divided.values() if isinstance(one, Drain)] == [20, 20]


def test_what_a_pod_shall_shed_is_divided_once_and_stays_while_sessions_leave() -> None:
    order = Shed("plan", 7, 10.0, SHARES)
    begun = by_name(process(1, sessions=300), process(2, sessions=100))
    later = by_name(process(1, sessions=296, moved=4), process(2, sessions=99, moved=1))
    for reports in (begun, later):
        divided = divide_orders({"access-0": order}, reports)
        sheds = [one for one in divided.values() if isinstance(one, Shed)]
        assert [one.sessions for one in sheds] == [5, 2]
        assert math.isclose(sum(one.rate_per_second for one in sheds), 10.0)
