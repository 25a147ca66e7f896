"""Who is believed to be there: an empty registry removes nobody, a long absence does."""

from __future__ import annotations

from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.pod_table import PodTable


def pod(name: str, incarnation: str = "i1") -> router_pb2.Pod:
    return router_pb2.Pod(pod_id=name, incarnation=incarnation)


def test_a_table_adds_and_changes_pods_at_once() -> None:
    table = PodTable(10.0)
    assert table.see([pod("a")], "r", 0.0)
    assert not table.see([pod("a")], "r", 1.0)
    assert table.see([pod("a", "i2"), pod("b")], "r", 2.0)
    assert {name: one.incarnation for name, one in table.pods.items()} == {"a": "i2", "b": "i1"}


def test_an_empty_registry_never_removes_anybody() -> None:
    table = PodTable(10.0)
    table.see([pod("a")], "r", 0.0)
    assert not table.see([], "r2", 1.0)
    assert not table.see([], "r2", 100.0)
    assert not table.expire(1_000.0)
    assert set(table.pods) == {"a"}


def test_a_pod_leaves_after_a_whole_lease_of_absence_and_not_before() -> None:
    table = PodTable(10.0)
    table.see([pod("a"), pod("b")], "r", 0.0)
    assert not table.see([pod("a")], "r", 5.0)
    assert not table.expire(14.9)
    assert set(table.pods) == {"a", "b"}
    assert table.expire(15.0)
    assert set(table.pods) == {"a"}


def test_a_pod_that_returns_in_time_starts_anew() -> None:
    table = PodTable(10.0)
    table.see([pod("a"), pod("b")], "r", 0.0)
    table.see([pod("a")], "r", 5.0)
    table.see([pod("a"), pod("b")], "r", 9.0)
    table.see([pod("a")], "r", 12.0)
    assert not table.expire(21.9)
    assert table.expire(22.0)


def test_a_flushed_registry_that_fills_again_gives_everybody_a_lease_to_return() -> None:
    table = PodTable(10.0)
    table.see([pod("a"), pod("b")], "r", 0.0)
    table.see([pod("a")], "r", 1.0)
    table.see([], "r2", 10.0)
    table.see([pod("a")], "r2", 10.5)
    assert not table.expire(20.4)
    assert table.expire(20.5)
    assert set(table.pods) == {"a"}


def test_time_that_nobody_watched_counts_for_nothing() -> None:
    table = PodTable(10.0)
    table.see([pod("a"), pod("b")], "r", 0.0)
    table.see([pod("a")], "r", 1.0)
    table.unwatched()
    assert not table.expire(100.0)
    table.see([pod("a")], "r", 100.0)
    assert not table.expire(109.9)
    assert table.expire(110.0)
