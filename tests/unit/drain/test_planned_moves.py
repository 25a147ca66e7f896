"""Sessions move to where there is room, to the newest revision first, when their number has
settled, and no faster than rates and targets allow."""

from __future__ import annotations

import math

from services.drain.domain.facts import Cluster
from services.drain.domain.grants import Places, find_places, share_out, split_rate
from services.drain.domain.orders import PlannerLimits, Shed
from services.drain.domain.planner import Planner
from tests.unit.drain.planner_world import WALL_MS, cluster, drain_of
from whimbrel.core.drain.candidates import Candidate


def test_pods_that_drain_together_share_one_rate() -> None:
    planner = Planner(PlannerLimits(operator_per_second=100.0))
    known = cluster({"a": 300, "b": 100, "c": 0, "d": 0}, deleted={"a": 60.0, "b": 60.0})
    for now in range(1000, 1020):
        decision = planner.step(known, float(now), WALL_MS)
        rates = [decision.orders[pod].rate_per_second for pod in "ab"]  # type: ignore[union-attr]
        assert sum(rates) <= 100.0 + 1e-6
    assert math.isclose(sum(rates), 100.0)
    assert math.isclose(rates[0], 3 * rates[1]), "by what they hold"


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
