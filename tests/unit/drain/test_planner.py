"""The controller's mind without a network, facts in and orders out: which pods drain, in whose
plan, until when, and what is asked of the platform."""

from __future__ import annotations

from services.drain.domain.orders import Drain, MarkVictim, Release, Rest
from services.drain.domain.planner import Planner
from services.drain.domain.plans import PlanKind, PlanName, PlanOutcome, read_name
from tests.unit.drain.planner_world import WALL_MS, cluster, drain_of
from whimbrel.core.drain.pod_drain_types import DrainPhase


def test_without_a_wish_every_pod_rests() -> None:
    decision = Planner().step(cluster({"a": 10, "b": 10}), 1000.0, WALL_MS)
    assert decision.orders == {"a": Rest(), "b": Rest()}
    assert decision.actions == []


def test_a_plan_says_in_its_name_what_a_new_leader_must_know() -> None:
    for name in (
        PlanName(PlanKind.DRAIN, "scale-in", 17, 60_000, 3),
        PlanName(PlanKind.DRAIN, "node drained", 17, 60_000),
        PlanName(PlanKind.REBALANCE, "scale-out", 17, 400),
    ):
        assert read_name(name.plan_id("access-0.east@x")) == name
    assert read_name("self-1") is None
    assert read_name("") is None


def test_the_deadline_of_a_deleted_pod_leaves_time_for_goodbyes() -> None:
    planner = Planner()
    known = cluster({"a": 10, "b": 0}, deleted={"a": 30.0})
    assert drain_of(planner, known, "a").deadline_seconds == 25.0
    known = cluster({"a": 10, "b": 0}, deleted={"a": 20.0})
    assert drain_of(planner, known, "a", 1010.0).deadline_seconds == 15.0


def test_a_drain_that_waits_for_room_does_not_lose_its_time() -> None:
    planner = Planner()
    planner.wishes.ask("a", 60.0, is_forced=False)
    full = cluster({"a": 100, "b": 100}, max_sessions=120)
    for now in range(1000, 1300):
        assert planner.step(full, float(now), WALL_MS).orders["a"] == Rest()
    free = cluster({"a": 100, "b": 100, "c": 0}, max_sessions=120)
    assert drain_of(planner, free, "a", 1300.0).deadline_seconds == 60.0


def test_an_empty_pod_of_a_drained_node_is_released() -> None:
    planner = Planner()
    known = cluster({"a": 0, "b": 10}, wanted=("a",))
    plan_id = drain_of(planner, known, "a").plan_id
    empty = cluster({"a": 0, "b": 10}, wanted=("a",), following={"a": (DrainPhase.EMPTY, plan_id)})
    assert planner.step(empty, 1001.0, WALL_MS).actions == [Release("a")]


def test_a_new_leader_takes_over_what_pods_follow() -> None:
    name = PlanName(PlanKind.DRAIN, "operator", WALL_MS - 10_000, 60_000).plan_id("a")
    known = cluster({"a": 50, "b": 10}, following={"a": (DrainPhase.DRAINING, name)})
    planner = Planner()
    order = drain_of(planner, known, "a")
    assert order.plan_id == name
    assert order.deadline_seconds == 50.0
    late = Planner()
    taken = late.step(known, 1000.0, WALL_MS + 300_000).orders["a"]
    assert isinstance(taken, Drain)
    assert taken.deadline_seconds == 30.0, "nobody is thrown out because a controller died"


def test_a_plan_that_this_leader_has_ended_is_not_taken_up_again() -> None:
    planner = Planner()
    planner.wishes.ask("a", 60.0, is_forced=False)
    known = cluster({"a": 50, "b": 10})
    plan_id = drain_of(planner, known, "a").plan_id
    planner.wishes.drop("a")
    late = cluster({"a": 50, "b": 10}, following={"a": (DrainPhase.DRAINING, plan_id)})
    for now in range(1001, 1005):
        assert planner.step(late, float(now), WALL_MS).orders["a"] == Rest()
    assert [plan.outcome for plan in planner.book.listed()] == [PlanOutcome.ABORTED]


def test_a_victim_that_dies_is_replaced_by_another_one() -> None:
    planner = Planner()
    known = cluster({"a": 10, "b": 500, "c": 500})
    assert planner.scale_in.begin(2, known, planner.book) == ["a"]
    planner.step(known, 1000.0, WALL_MS)
    gone = cluster({"b": 400, "c": 500}, replicas=3)
    planner.step(gone, 1001.0, WALL_MS)
    assert planner.scale_in.victims == ["b"]


def test_a_scale_in_marks_its_victims_before_it_lowers_the_number() -> None:
    planner = Planner()
    planner.scale_in.begin(2, cluster({"a": 0, "b": 9, "c": 9}), planner.book)
    plan_id = drain_of(planner, cluster({"a": 0, "b": 9, "c": 9}), "a").plan_id
    empty = cluster({"a": 0, "b": 9, "c": 9}, following={"a": (DrainPhase.EMPTY, plan_id)})
    actions = planner.step(empty, 1001.0, WALL_MS).actions
    assert actions[0] == MarkVictim("a", -1000)
    assert actions[1][1:] == (2,)
    again = Planner()
    restored = [again.step(empty, 1000.0 + step, WALL_MS).actions for step in range(2)]
    assert restored[1] == actions, "a new leader finds the goal in the plan's name"


def test_victims_that_the_platform_did_not_take_work_again() -> None:
    planner = Planner()
    planner.scale_in.begin(1, cluster({"a": 0, "b": 9}), planner.book)
    lowered = cluster({"a": 0, "b": 9}, replicas=1)
    assert isinstance(planner.step(lowered, 1000.0, WALL_MS).orders["a"], Drain)
    assert planner.step(lowered, 1061.0, WALL_MS).orders["a"] == Rest()
