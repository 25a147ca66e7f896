"""The local Deployment: never fewer ready pods than wanted, never more than the surge beyond."""

from __future__ import annotations

import random

import pytest

from whimbrel.local.leases import Leases
from whimbrel.local.workloads import PodNow, WantedPods, next_steps


def pods(*described: str) -> list[PodNow]:
    """ "r1+" is a ready pod of revision r1, "r1-" one that is not."""
    return [
        PodNow(f"access-{number}", number, one[:-1], one.endswith("+"))
        for number, one in enumerate(described)
    ]


def test_a_new_pod_comes_before_an_old_one_goes() -> None:
    wanted = WantedPods("access", 3, "r2", surge=1)
    assert next_steps(wanted, pods("r1+", "r1+", "r1+")) == (1, ())
    assert next_steps(wanted, pods("r1+", "r1+", "r1+", "r2-")) == (0, ())
    assert next_steps(wanted, pods("r1+", "r1+", "r1+", "r2+")) == (0, ("access-0",))
    assert next_steps(wanted, pods("r1+", "r1+", "r2+")) == (1, ())
    assert next_steps(wanted, pods("r2+", "r2+", "r2+")) == (0, ())


def test_a_pod_that_is_not_ready_is_the_first_to_go() -> None:
    assert next_steps(WantedPods("access", 1, "r1"), pods("r1+", "r1-")).stop == ("access-1",)


def test_the_cheapest_pod_goes_at_scale_in() -> None:
    present = pods("r1+", "r1+", "r1+")
    present[2] = present[2]._replace(deletion_cost=-1)
    assert next_steps(WantedPods("access", 2, "r1"), present).stop == ("access-2",)


def test_of_pods_that_cost_the_same_the_youngest_goes_at_scale_in() -> None:
    assert next_steps(WantedPods("access", 2, "r1"), pods("r1+", "r1+", "r1+")).stop == (
        "access-2",
    )


def test_a_larger_surge_goes_faster() -> None:
    wanted = WantedPods("access", 3, "r2", surge=2)
    assert next_steps(wanted, pods("r1+", "r1+", "r1+")) == (2, ())
    half = next_steps(wanted, pods("r1+", "r1+", "r1+", "r2+", "r2+"))
    assert half == (0, ("access-0", "access-1"))
    assert next_steps(WantedPods("access", 1, "r2", surge=5), pods("r1+")) == (1, ())


def test_a_rollback_keeps_the_old_pods_and_ends_the_new_ones() -> None:
    wanted = WantedPods("access", 2, "r1")
    assert next_steps(wanted, pods("r1+", "r1+", "r2-")) == (0, ("access-2",))
    assert next_steps(wanted, pods("r1+", "r2+", "r2+")) == (0, ("access-1",))


def test_a_second_restart_first_ends_what_the_first_one_could_not_bring_up() -> None:
    wanted = WantedPods("access", 2, "r3")
    assert next_steps(wanted, pods("r1+", "r1+", "r2-")) == (0, ("access-2",))
    assert next_steps(wanted, pods("r1+", "r1+")) == (1, ())


def test_an_old_pod_that_is_not_ready_stays_until_somebody_is_in_its_place() -> None:
    wanted = WantedPods("access", 2, "r2")
    assert next_steps(wanted, pods("r1-", "r1+")) == (1, ())
    assert next_steps(wanted, pods("r1-", "r1+", "r2-")) == (0, ())
    assert next_steps(wanted, pods("r1+", "r1-", "r2+")) == (0, ("access-1",))


def test_a_pod_that_died_in_mid_rollout_is_waited_for() -> None:
    wanted = WantedPods("access", 2, "r2")
    assert next_steps(wanted, pods("r1+", "r1-", "r2-")) == (0, ())
    assert next_steps(wanted, pods("r1+", "r2-", "r2+")) == (0, ())


def test_a_scale_in_goes_on_in_mid_rollout() -> None:
    wanted = WantedPods("access", 1, "r2")
    assert next_steps(wanted, pods("r1+", "r1+", "r1+", "r2-")).stop == ("access-0", "access-1")
    assert next_steps(wanted, pods("r1+", "r2+", "r2+")).stop == ("access-0",)


@pytest.mark.parametrize("seed", range(200))
def test_every_rollout_ends_without_an_outage(seed: int) -> None:
    """Restarts, scales and crashes in any order: what is wanted comes about in the end."""
    dice = random.Random(seed)
    wanted = WantedPods("access", dice.randint(1, 5), "r1", surge=dice.randint(1, 3))
    present = [PodNow(f"p{n}", n, "r1", True) for n in range(wanted.replicas)]
    number = wanted.replicas
    for step in range(400):
        if step < 100 and dice.random() < 0.05:
            wanted = WantedPods("access", dice.randint(1, 5), f"r{step}", dice.randint(1, 3))
        steps = next_steps(wanted, present)
        ready = sum(pod.is_ready for pod in present)
        stopped = [pod for pod in present if pod.name in steps.stop]
        ready_after = ready - sum(pod.is_ready for pod in stopped)
        assert ready_after >= min(ready, wanted.replicas), f"seed {seed}"
        present = [pod for pod in present if pod.name not in steps.stop]
        for _ in range(steps.start):
            present.append(PodNow(f"p{number}", number, wanted.revision, False))
            number += 1
        most = max(wanted.replicas + wanted.surge, ready)
        assert len(present) <= max(most, len(present) - steps.start), f"seed {seed}"
        present = [
            pod._replace(is_ready=pod.is_ready or dice.random() < 0.5)
            if step >= 100 or dice.random() > 0.03
            else pod._replace(is_ready=False)
            for pod in present
        ]
    assert [pod.revision for pod in present] == [wanted.revision] * wanted.replicas


def test_a_lease_has_one_holder_and_its_terms_rise() -> None:
    leases = Leases()
    first = leases.hold("drain", "a", 6.0, 0, now=0.0, wall_ms=1_000)
    assert (first.holder, first.term) == ("a", 1_000)
    assert leases.hold("drain", "b", 6.0, 0, now=5.0, wall_ms=1_005).holder == "a"
    assert leases.hold("drain", "a", 6.0, 0, now=5.0, wall_ms=1_005).term == first.term
    second = leases.hold("drain", "b", 6.0, 7_000, now=11.0, wall_ms=1_011)
    assert (second.holder, second.term) == ("b", 7_001)
    leases.hold("drain", "a", 0.0, 0, now=12.0, wall_ms=1_012)
    assert leases.hold("drain", "a", 6.0, 0, now=12.0, wall_ms=1_012).holder == "b"
    leases.hold("drain", "b", 0.0, 0, now=12.0, wall_ms=1_012)
    assert leases.hold("drain", "a", 6.0, 0, now=12.0, wall_ms=1_012).term == 7_002
