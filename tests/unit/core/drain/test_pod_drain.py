"""A pod's drain takes its phases in order, and heeds the highest term and the pod's own end."""

from __future__ import annotations

import pytest

from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase, DrainTimes, StaleTermError


def ordered(rate: float = 10.0, deadline: float = 60.0, sessions: int = 100) -> PodDrain:
    drain = PodDrain()
    drain.order_drain(7, "p1", rate, deadline, 0.0)
    drain.tick(sessions, sessions, 0.0)
    return drain


def test_a_drain_goes_through_its_phases() -> None:
    drain = ordered()
    assert drain.phase.name == "CORDONED"
    assert drain.is_cordoned
    assert drain.may_advise(4.9) == 0, "first those who look for pods must notice"
    assert drain.next_deadline(0.0) == 5.0
    drain.tick(100, 100, 5.0)
    assert drain.phase.name == "DRAINING"
    assert drain.may_advise(5.0) == 1
    drain.advised(1, 5.0)
    drain.moved()
    drain.order_drain(7, "p1", 10.0, 54.0, 6.0)
    drain.tick(40, 0, 14.0)
    assert drain.phase.name == "STRAGGLERS", "everybody was asked"
    drain.tick(0, 0, 20.0)
    assert drain.phase.name == "EMPTY"
    assert drain.is_cordoned, "it stays cordoned"
    drain.release()
    drain.order_rest(9, 30.0)
    assert drain.phase.name == "RELEASED", "there is no way back"


@pytest.mark.parametrize("phase", ["CORDONED", "DRAINING", "STRAGGLERS", "EMPTY"])
def test_an_abort_returns_to_active_from_any_phase(phase: str) -> None:
    drain = ordered()
    steps = {"CORDONED": (9, 9, 1.0), "DRAINING": (9, 9, 6.0), "STRAGGLERS": (9, 0, 6.0)}
    drain.tick(*steps.get(phase, (0, 0, 6.0)))
    assert drain.phase.name == phase
    drain.order_rest(7, 7.0)
    assert drain.phase.name == "ACTIVE"
    assert not drain.is_cordoned
    assert drain.plan_id == ""
    assert drain.may_advise(8.0) == drain.may_force(100.0) == 0


def test_stragglers_are_asked_again_twice_and_then_ended_evenly() -> None:
    drain = ordered()
    drain.tick(20, 0, 6.0)
    assert [moment for moment in range(6, 61) if drain.re_advise_due(float(moment))] == [30, 48]
    drain.tick(20, 0, 54.0)
    assert drain.may_force(53.9) == 0
    drain.tick(20, 0, 57.0)
    assert drain.may_force(57.0) == 10
    drain.forced(10)
    drain.tick(10, 0, 57.0)
    assert drain.may_force(57.0) == 0
    assert drain.may_force(60.0) == 10
    assert drain.next_deadline(57.0) == pytest.approx(57.3)


def test_a_deadline_of_nothing_ends_everybody_at_once() -> None:
    drain = ordered(deadline=0.0)
    assert drain.may_force(0.0) == 100


def test_a_lower_term_is_refused_and_changes_nothing() -> None:
    drain = ordered()
    before = drain.statistics()
    with pytest.raises(StaleTermError) as refusal:
        drain.order_rest(6, 1.0)
    assert (refusal.value.term, refusal.value.highest) == (6, 7)
    with pytest.raises(StaleTermError):
        drain.order_shed(6, "other", 5, 1.0, 1.0)
    assert drain.statistics() == before
    drain.order_rest(8, 2.0)
    assert drain.term == 8


def test_a_grant_runs_out_and_the_own_share_holds() -> None:
    drain = ordered(rate=50.0)
    drain.set_own_rate(3.0, 1.0)
    drain.tick(100, 100, 9.9)
    assert drain.statistics().rate_per_second == 50.0
    drain.tick(100, 100, 10.0)
    assert drain.statistics().rate_per_second == 3.0
    drain.set_own_rate(4.0, 11.0)
    assert drain.statistics().rate_per_second == 4.0
    drain.order_drain(7, "p1", 0.0, 40.0, 12.0)
    assert drain.may_advise(13.0) == 0, "the controller says: no place yet"


def test_a_pod_that_stops_drains_whatever_the_controller_says() -> None:
    drain = PodDrain()
    drain.set_own_rate(10.0, 0.0)
    drain.stop("SIGTERM", "self-a", 30.0, 0.0)
    assert (drain.plan_id, drain.cause) == ("self-a", "SIGTERM")
    drain.order_rest(1, 1.0)
    drain.order_shed(2, "s", 3, 9.0, 1.0)
    assert drain.is_cordoned
    drain.order_drain(3, "p9", 20.0, 300.0, 2.0)
    assert drain.plan_id == "p9"
    assert drain.deadline == 30.0, "the kill comes when it comes"
    drain.order_rest(3, 3.0)
    assert drain.statistics().rate_per_second == 10.0
    drain.stop("preStop", "self-b", 10.0, 4.0)
    assert drain.deadline == 14.0


def test_a_pod_that_is_drained_and_then_stopped_goes_on_where_it_is() -> None:
    drain = ordered()
    drain.tick(50, 30, 6.0)
    drain.stop("SIGTERM", "self-a", 20.0, 7.0)
    assert (drain.phase, drain.plan_id) == (DrainPhase.DRAINING, "p1")
    assert drain.deadline == 27.0


def test_a_shed_asks_as_many_as_it_says_and_the_pod_stays() -> None:
    drain = PodDrain()
    drain.set_own_rate(100.0, 0.0)
    drain.order_shed(1, "s1", 3, 100.0, 0.0)
    drain.tick(50, 50, 0.1)
    assert not drain.is_cordoned
    assert drain.is_shedding
    assert drain.may_advise(1.0) == 3
    drain.advised(3, 1.0)
    drain.moved(2)
    drain.failed()
    assert drain.may_advise(2.0) == 1, "one could not: another is asked"
    drain.advised(1, 2.0)
    drain.moved()
    assert drain.may_advise(3.0) == 0
    drain.order_shed(1, "s1", 5, 100.0, 4.0)
    assert drain.may_advise(4.0) == 2
    drain.tick(47, 47, 14.0)
    assert drain.may_advise(15.0) == 0, "a shed without a leader pauses"
    drain.order_shed(1, "s2", 5, 100.0, 16.0)
    assert drain.statistics().moved == 0, "another plan counts anew"


def test_a_drain_ends_a_shed_and_a_shed_a_drain() -> None:
    drain = PodDrain()
    drain.order_shed(1, "s1", 3, 10.0, 0.0)
    drain.order_drain(1, "d1", 10.0, 60.0, 1.0)
    assert drain.is_cordoned
    assert not drain.is_shedding
    drain.order_shed(1, "s2", 3, 10.0, 2.0)
    assert drain.phase.name == "ACTIVE"


def test_an_empty_pod_that_gets_a_session_is_not_empty() -> None:
    drain = ordered()
    drain.tick(0, 0, 6.0)
    assert drain.phase.name == "EMPTY"
    drain.tick(1, 1, 7.0)
    assert drain.phase.name == "STRAGGLERS"
    with pytest.raises(ValueError):
        drain.release()


def test_a_short_deadline_shortens_the_settling() -> None:
    drain = PodDrain(DrainTimes(settle_seconds=5.0))
    drain.order_drain(1, "p", 10.0, 8.0, 0.0)
    drain.tick(1, 1, 2.0)
    assert drain.phase.name == "DRAINING"
