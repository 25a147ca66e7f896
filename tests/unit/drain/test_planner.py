"""The controller's mind without a network: facts in, orders out."""

from __future__ import annotations

import math

from services.drain.domain.facts import Cluster, Registered, Report, merge
from services.drain.domain.grants import Places, find_places, share_out, split_rate
from services.drain.domain.orders import Drain, MarkVictim, PlannerLimits, Release, Rest, Shed
from services.drain.domain.planner import Planner
from services.drain.domain.plans import PlanKind, PlanName, PlanOutcome, read_name
from services.drain.ports import PlatformPod, PlatformView, Workload
from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.pod_drain_types import DrainPhase

WALL_MS = 1_800_000_000_000


def cluster(
    sessions: dict[str, int],
    *,
    deleted: dict[str, float] | None = None,
    wanted: tuple[str, ...] = (),
    following: dict[str, tuple[DrainPhase, str]] | None = None,
    max_sessions: int = 0,
    replicas: int | None = None,
    revisions: dict[str, str] | None = None,
) -> Cluster:
    deleted, following, revisions = deleted or {}, following or {}, revisions or {}
    reports = {}
    for pod_id, held in sessions.items():
        phase, plan_id = following.get(pod_id, (DrainPhase.ACTIVE, ""))
        reports[pod_id] = Report(pod_id, "run", phase=phase, plan_id=plan_id, sessions=held)
    view = PlatformView(
        tuple(
            PlatformPod(
                pod_id,
                "access",
                revisions.get(pod_id, "r1"),
                ready=pod_id not in deleted,
                deleted_in_seconds=deleted.get(pod_id),
                drain_wanted=pod_id in wanted,
            )
            for pod_id in sessions
        ),
        (Workload("access", len(sessions) if replicas is None else replicas, "r1"),),
    )
    registered = [
        Registered(pod_id, "access", endpoint=f"{pod_id}:1", max_sessions=max_sessions)
        for pod_id in sessions
    ]
    return merge(view, registered, reports)


def drain_of(planner: Planner, known: Cluster, pod_id: str, now: float = 1000.0) -> Drain:
    order = planner.step(known, now, WALL_MS).orders[pod_id]
    assert isinstance(order, Drain)
    return order


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


def test_pods_that_drain_together_share_one_rate() -> None:
    planner = Planner(PlannerLimits(operator_per_second=100.0))
    known = cluster({"a": 300, "b": 100, "c": 0, "d": 0}, deleted={"a": 60.0, "b": 60.0})
    for now in range(1000, 1020):
        decision = planner.step(known, float(now), WALL_MS)
        rates = [decision.orders[pod].rate_per_second for pod in "ab"]  # type: ignore[union-attr]
        assert sum(rates) <= 100.0 + 1e-6
    assert math.isclose(sum(rates), 100.0)
    assert math.isclose(rates[0], 3 * rates[1]), "by what they hold"


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


def test_room_is_promised_once() -> None:
    planner = Planner()
    known = cluster({"a": 100, "b": 100, "c": 0}, wanted=("a", "b"), max_sessions=150)
    decision = planner.step(known, 1000.0, WALL_MS)
    kinds = sorted(type(decision.orders[pod]).__name__ for pod in "ab")
    assert kinds == ["Drain", "Rest"], "together they would not fit"


def test_a_pod_that_ends_anyway_takes_what_room_there_is() -> None:
    planner = Planner()
    known = cluster({"a": 100, "b": 100}, deleted={"a": 60.0}, max_sessions=120)
    order = drain_of(planner, known, "a")
    assert 0 < order.rate_per_second <= 10.0, "20 more sessions fit, and orders are 2 s old"
    assert "no room" in planner.book.listed()[0].waiting_for


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


def test_moves_go_to_the_newest_revision_as_long_as_it_has_room() -> None:
    pods = [
        Candidate("old", "old:1", 0, revision="r0", max_sessions=100),
        Candidate("new", "new:1", 0, revision="r1", max_sessions=100),
    ]
    few = find_places(pods, [], "r1", 50)
    assert [one.pod_id for one in few.targets] == ["new"]
    many = find_places(pods, [], "r1", 150)
    assert [one.pod_id for one in many.targets] == ["old", "new"]


def in_rollout(*, knows_new: bool) -> Cluster:
    """ "a" is stopped for "new", of which the controller may not have heard yet."""
    pods = {"a": 100, "b": 100} | ({"new": 0} if knows_new else {})
    return cluster(pods, deleted={"a": 60.0}, revisions={"a": "r0", "b": "r0"}, replicas=2)


def test_a_rollout_moves_nobody_to_an_old_pod_before_the_new_one_is_known() -> None:
    planner = Planner()
    for now in (1000.0, 1001.0, 1002.9):
        order = drain_of(planner, in_rollout(knows_new=False), "a", now)
        assert (order.rate_per_second, order.shares) == (0.0, ())
    assert "new revision" in planner.book.listed()[0].waiting_for
    order = drain_of(planner, in_rollout(knows_new=True), "a", 1002.95)
    assert [share.pod_id for share in order.shares] == ["new"]
    again = drain_of(planner, in_rollout(knows_new=False), "a", 1010.0)
    assert again.shares == (), "it was gone for a moment"


def test_new_pods_that_do_not_come_up_stop_no_drain() -> None:
    planner = Planner()
    drain_of(planner, in_rollout(knows_new=False), "a", 1000.0)
    order = drain_of(planner, in_rollout(knows_new=False), "a", 1003.0)
    assert [share.pod_id for share in order.shares] == ["b"]
    assert order.rate_per_second > 0


def sheds(planner: Planner, known: Cluster, now: float) -> list[str]:
    """Who is asked to give sessions away."""
    orders = planner.step(known, now, WALL_MS).orders
    return [pod_id for pod_id, order in orders.items() if isinstance(order, Shed)]


def test_nobody_is_rebalanced_while_clients_come_in_numbers() -> None:
    planner = Planner()
    for second in range(30):
        coming = {"a": 30 + 10 * second, "b": 20 + 10 * second, "c": 20 + 10 * second}
        assert sheds(planner, cluster(coming), 1000.0 + second) == []


def test_a_rebalance_begins_when_the_number_of_sessions_has_settled() -> None:
    planner = Planner()
    assert sheds(planner, cluster({"a": 100, "b": 40}), 1000.0) == []
    assert sheds(planner, cluster({"a": 150, "b": 50}), 1004.0) == []
    assert sheds(planner, cluster({"a": 151, "b": 52}), 1008.9) == []
    assert sheds(planner, cluster({"a": 150, "b": 51}), 1009.0) == ["a"]


def test_no_target_gets_more_than_its_budget() -> None:
    targets = [
        Candidate("a", "a:1", 0, started_at=-1000.0, arrivals_per_second=20.0),
        Candidate("b", "b:1", 900, started_at=-1000.0, arrivals_per_second=100.0),
        Candidate("c", "c:1", 900, started_at=-1.0, arrivals_per_second=100.0),
    ]
    places = Places(targets, math.inf)
    shares = {share.pod_id: share.weight for share in share_out(places, 150.0, 0.0)}
    assert shares["a"] == 20.0, "the emptiest one draws most, and takes no more than this"
    assert shares["c"] < shares["b"] <= 100.0
    assert math.isclose(sum(shares.values()), 150.0)
    beyond = share_out(places, 1e9, 0.0)
    assert math.isclose(sum(share.weight for share in beyond), 220.0)


def test_a_plan_with_little_time_gets_more_of_the_rate() -> None:
    rates = split_rate(90.0, {"calm": (100, math.inf), "late": (100, 60.0), "empty": (0, 5.0)})
    assert rates["late"] > 5 * rates["calm"]
    assert rates["empty"] == 0.0
    assert split_rate(90.0, {"empty": (0, 5.0)}) == {"empty": 0.0}
