"""The plan of faults is a function of seed, kinds and field alone, and keeps its own rules."""

from __future__ import annotations

from itertools import islice

import pytest

from whimbrel.local.errors import StackError
from whimbrel.local.nemesis.driver import check_kinds
from whimbrel.local.nemesis.kinds import KINDS, Field
from whimbrel.local.nemesis.plan import Fault, plan_faults

SMALL = Field(pods=("access-0", "logic-0", "router-0"))
FULL = Field(
    pods=("access-0", "access-1", "drain-0", "logic-0", "logic-1", "push-0", "router-0"),
    redis=("redis",),
    mongods=("mongod-0", "mongod-1", "mongod-2"),
    links=("clients>access-0", "access-0>router-0", "pods>logic-0", "logic-0>redis"),
    clocks=("logic-0", "logic-1"),
)


def first(
    count: int, seed: int, field: Field = FULL, kinds: tuple[str, ...] = KINDS
) -> list[Fault]:
    return list(islice(plan_faults(seed, kinds, field, (2.0, 6.0)), count))


def test_the_same_seed_plans_the_same_faults_and_another_seed_others() -> None:
    assert first(500, seed=7) == first(500, seed=7)
    assert first(50, seed=7) != first(50, seed=8)


def test_the_order_in_which_kinds_are_named_does_not_matter() -> None:
    assert first(100, 3, kinds=("stop", "kill")) == first(100, 3, kinds=("kill", "stop"))


@pytest.mark.parametrize("seed", range(20))
def test_a_minute_sees_every_kind_and_several_at_a_time(seed: int) -> None:
    minute = [fault for fault in first(200, seed) if fault.at < 60]
    assert {fault.kind for fault in minute} == set(KINDS)
    moments = [fault.at for fault in minute]
    assert len(set(moments)) < len(moments)
    assert moments == sorted(moments)
    gaps = [b - a for a, b in zip([0.0, *moments], moments, strict=False) if b > a]
    assert min(gaps) >= 1.999


@pytest.mark.parametrize("seed", range(20))
def test_no_target_has_two_faults_at_a_time(seed: int) -> None:
    until: dict[str, float] = {}
    for fault in first(1_000, seed):
        for name in fault.targets:
            assert until.get(name, 0.0) <= fault.at
            until[name] = fault.at + fault.seconds


@pytest.mark.parametrize("seed", range(5))
def test_each_kind_keeps_its_limits(seed: int) -> None:
    for fault in first(1_000, seed):
        assert len(fault.targets) <= 2 or fault.kind.startswith("net-")
        if fault.kind == "stop":
            assert 1.0 <= fault.seconds <= 20.0
            assert fault.targets[0] in FULL.pods
        if fault.kind == "net-half-open":
            assert fault.dead in ("up", "down")
        if fault.kind == "clock":
            assert 0.5 <= abs(fault.amount) <= 3600.0


def test_sometimes_two_pods_are_killed_at_once_and_sometimes_a_pod_loses_all_its_links() -> None:
    faults = first(500, seed=1)
    assert any(len(fault.targets) == 2 for fault in faults if fault.kind == "kill")
    struck = {fault.targets for fault in faults if fault.kind.startswith("net-")}
    assert ("pods>logic-0", "logic-0>redis") in struck
    assert ("logic-0>redis",) in struck


def test_a_stack_is_only_struck_where_it_can_be() -> None:
    assert SMALL.possible() == ("kill", "stop", "term", "redis-flush")
    assert FULL.possible() == KINDS
    assert {fault.kind for fault in first(200, 1, SMALL)} == set(SMALL.possible())
    assert check_kinds(("all",), SMALL) == SMALL.possible()
    assert check_kinds(["term", "kill"], SMALL) == ("kill", "term")


def test_a_kind_that_cannot_be_is_refused_with_the_reason() -> None:
    with pytest.raises(StackError, match=r"cannot do the fault 'net-cut' \(it needs proxies\)"):
        check_kinds(("kill", "net-cut"), SMALL)
    with pytest.raises(StackError, match="no fault 'earthquake', there are: kill, stop"):
        check_kinds(("earthquake",), SMALL)
    with pytest.raises(ValueError, match="none of these faults"):
        plan_faults(1, ("net-cut",), SMALL, (1.0, 2.0))
    with pytest.raises(ValueError, match="period of 0 to 2"):
        plan_faults(1, ("kill",), SMALL, (0, 2))
