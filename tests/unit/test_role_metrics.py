"""The figures of each role, as the scraper sees them; the controller's are in unit/drain."""

from __future__ import annotations

import math

import pytest

from services.access.acks import AckStatistics
from services.access.arrivals import Arrivals
from services.access.metrics import access_metrics
from services.access.pending import PendingStatistics
from services.access.tally import StreamFigures
from services.logic.metrics import logic_metrics
from services.logic.usecases.pipeline import PipelineStatistics
from services.push.lane import LaneStatistics
from services.push.metrics import push_metrics
from services.push.usecases.judge_wakes import JudgeStatistics
from services.push.usecases.schedule_wakes import ScheduleStatistics
from services.router.load import RouterLoad
from services.router.metrics import router_metrics
from tests.expositions import FAMILIES
from tests.scraping import Scrape, samples, value
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainTimes
from whimbrel.core.session_types import Traffic

BOUNDED = {
    *("phase", "request", "role", "pipeline", "outcome", "kind", "cause", "state", "fate"),
    *("provider", "reason", "status", "method", "code", "le", "process"),
    # Pods that drain at the same time. Not "pod": that and namespace, container, endpoint,
    # instance and job are the scraper's own, who would rename ours and queries would miss it.
    "plan_pod",
}
"""The labels that there may be."""
OF_ALL = {"logic": ("whimbrel_timeline_",)}
"""What a role shows about what is stored, whoever stored it."""


def access(drain: PodDrain, sessions: int, now: float = 0.0) -> Scrape:
    arrivals = Arrivals(40.0, now)
    arrivals.attached(0.25, now)
    return samples(
        access_metrics(
            sessions=sessions,
            drain=drain,
            arrivals=arrivals,
            loop_lag_ms=120.0,
            acks=AckStatistics(kept=6, waiting=2),
            revocations=(7, 0.25),
            links=[PendingStatistics(3, 1, 0), PendingStatistics(4, 0, 2)],
            streams=StreamFigures(
                9, 2, 30, 0.1, {"gone": 4, "fin": 1}, 70, Traffic(80, 9000, 3, 60)
            ),
            now=now,
        )
    )


def of_drain(seen: Scrape) -> dict[str, float | None]:
    """The session figures of the pod's plan, by their last word."""
    words = ("planned", "remaining", "moved", "deferred", "failed", "forced")
    return {word: value(seen, f"whimbrel_access_drain_sessions_{word}") for word in words}


def test_access_shows_what_it_holds_and_how_it_bears_it() -> None:
    seen = access(PodDrain(), 1234)
    assert value(seen, "whimbrel_access_sessions") == 1234
    assert value(seen, "whimbrel_access_arrival_budget_per_second") == 40.0
    assert value(seen, "whimbrel_access_attach_p99_seconds") == 0.25
    assert value(seen, "whimbrel_access_loop_lag_seconds") == 0.12
    assert value(seen, "whimbrel_access_acks_unstored") == 6
    assert value(seen, "whimbrel_access_revocations") == 7
    assert value(seen, "whimbrel_access_revocations_age_seconds") == 0.25
    assert value(seen, "whimbrel_access_logic_links") == 2
    assert value(seen, "whimbrel_access_logic_pending", request="send") == 7
    assert value(seen, "whimbrel_access_logic_pending", request="attach") == 2


def test_access_shows_what_its_streams_carry() -> None:
    seen = access(PodDrain(), 9)
    assert value(seen, "whimbrel_access_streams") == 9
    assert value(seen, "whimbrel_access_lagging_sessions") == 2
    assert value(seen, "whimbrel_access_in_flight") == 30
    assert value(seen, "whimbrel_access_window_fill_ratio") == 0.1
    assert value(seen, "whimbrel_access_streams_closed_total", reason="gone") == 4
    for name, count in {
        "sent": 70,
        "delivered": 80,
        "delivered_bytes": 9000,
        "redelivered": 3,
        "acknowledged": 60,
        "attaches": 1,
    }.items():
        assert value(seen, f"whimbrel_access_{name}_total") == count


def test_a_pod_without_a_plan_has_nothing_to_empty() -> None:
    assert set(of_drain(access(PodDrain(), 50)).values()) == {0}


def test_of_a_drain_all_that_it_holds_remain() -> None:
    drain = PodDrain(DrainTimes(settle_seconds=0.0))
    drain.order_drain(1, "p", 100.0, 60.0, now=0.0)
    for now in (0.0, 1.0):
        drain.tick(50, 50, now)
    drain.advised(9, 1.0)
    drain.moved(4)
    drain.deferred(3)
    drain.failed(2)
    seen = access(drain, 46, now=1.0)
    assert value(seen, "whimbrel_access_drain_phase", phase="draining") == 1
    assert math.fsum(v for (name, _), v in seen.items() if name.endswith("drain_phase")) == 1
    assert of_drain(seen) == {
        "planned": 50,
        "remaining": 46,
        "moved": 4,
        "deferred": 3,
        "failed": 2,
        "forced": 0,
    }
    assert value(seen, "whimbrel_access_drain_rate_per_second") == 100.0


def test_of_a_rebalance_only_its_share_remains() -> None:
    drain = PodDrain()
    drain.order_shed(1, "p", 20, 100.0, now=0.0)
    drain.tick(50, 50, 0.0)
    drain.advised(5, 0.0)
    drain.moved(5)
    figures = of_drain(access(drain, 45))
    assert (figures["planned"], figures["remaining"], figures["moved"]) == (20, 15, 5)


def test_a_router_counts_the_pods_of_each_role_and_their_sessions() -> None:
    pods = [
        router_pb2.Pod(pod_id="a", role=router_pb2.POD_ROLE_ACCESS, sessions=30),
        router_pb2.Pod(pod_id="b", role=router_pb2.POD_ROLE_ACCESS, sessions=12),
        router_pb2.Pod(pod_id="c", role=router_pb2.POD_ROLE_LOGIC),
    ]
    load = RouterLoad()
    load.items["attach"] = 7
    load.seconds["locate"].observe(0.004)
    seen = samples(router_metrics(pods, 5, load))
    assert value(seen, "whimbrel_router_items_total", request="attach") == 7
    assert value(seen, "whimbrel_router_failures_total", request="attach") == 0
    buckets = {"0.0025": 0, "0.005": 1, "+Inf": 1}
    for le, count in buckets.items():
        name = "whimbrel_router_request_seconds_bucket"
        assert value(seen, name, request="locate", le=le) == count
    assert value(seen, "whimbrel_router_pods", role="access") == 2
    assert value(seen, "whimbrel_router_pods", role="logic") == 1
    assert value(seen, "whimbrel_router_pods", role="push") == 0, "and not: no such series"
    assert value(seen, "whimbrel_router_registered_sessions") == 42
    assert value(seen, "whimbrel_router_watchers") == 5


def test_a_role_that_this_router_does_not_know_is_counted_too() -> None:
    pod = router_pb2.Pod(pod_id="a")
    pod.ParseFromString(pod.SerializeToString() + b"\x18\x63")  # role = 99: a newer pod
    assert (
        value(
            samples(router_metrics([pod], 0, RouterLoad())), "whimbrel_router_pods", role="unknown"
        )
        == 1
    )


def test_logic_and_push_show_their_work() -> None:
    seen = samples(logic_metrics({"commit": PipelineStatistics(3, 10, 400, 90)}))
    assert value(seen, "whimbrel_logic_waiting", pipeline="commit") == 3
    assert value(seen, "whimbrel_logic_batches_total", pipeline="commit") == 10
    assert value(seen, "whimbrel_logic_items_total", pipeline="commit") == 400
    assert value(seen, "whimbrel_logic_largest_batch", pipeline="commit") == 90
    lane = LaneStatistics(in_flight=4, is_open=True)
    lane.outcomes["delivered"] = 8
    pushed = samples(
        push_metrics(ScheduleStatistics(doubles=5), JudgeStatistics(passed=6), {"apns": lane}, 2)
    )
    assert value(pushed, "whimbrel_push_jobs_total", fate="doubles") == 5
    assert value(pushed, "whimbrel_push_jobs_total", fate="passed") == 6
    assert (
        value(pushed, "whimbrel_push_notifications_total", provider="apns", outcome="delivered")
        == 8
    )
    assert value(pushed, "whimbrel_push_in_flight", provider="apns") == 4
    assert value(pushed, "whimbrel_push_provider_unavailable", provider="apns") == 1
    assert value(pushed, "whimbrel_push_group_losses_total") == 2


@pytest.mark.parametrize("role", sorted(FAMILIES))
def test_names_say_the_role_and_labels_are_bounded(role: str) -> None:
    for family in FAMILIES[role]:
        assert family.name.startswith((f"whimbrel_{role}_", *OF_ALL.get(role, ())))
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert set(sample.labels) <= BOUNDED, family.name
            assert sample.name.endswith("_total") is (family.type == "counter")
    names = [family.name for family in FAMILIES[role]]
    assert len(names) == len(set(names))
