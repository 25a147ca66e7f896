"""A pod with several processes as a target: one pod with one budget, whoever the kernel chooses."""

from __future__ import annotations

import random

import pytest

from services.access.arrivals import BURST_SECONDS, SHARED_BURST_SECONDS, Arrivals
from services.access.presentation import candidates
from whimbrel.api.router.v1 import router_pb2

PER_SECOND = 40.0
PROCESSES = 2
SECONDS = 300


def refused_share(burst_seconds: float, filled: float, seed: int) -> float:
    """Of arrivals that come evenly and fill so much of the pod's budget, which each of two
    processes has a half of; who gets one is dice."""
    dice = random.Random(seed)
    targets = [Arrivals(PER_SECOND / PROCESSES, 0.0, burst_seconds) for _ in range(PROCESSES)]
    count = round(PER_SECOND * filled * SECONDS)
    refused = sum(
        dice.choice(targets).admit(number * SECONDS / count) > 0 for number in range(count)
    )
    return refused / count


@pytest.mark.parametrize("seed", range(3))
def test_a_budget_that_is_nearly_filled_refuses_next_to_nobody_by_chance(seed: int) -> None:
    assert refused_share(SHARED_BURST_SECONDS, 0.9, seed) < 0.01
    assert refused_share(BURST_SECONDS, 0.9, seed) > 0.01


def test_the_budgets_of_all_processes_are_the_pods_and_no_more() -> None:
    taken = 1 - refused_share(SHARED_BURST_SECONDS, 2.0, seed=1)
    assert 2.0 * taken == pytest.approx(1.0, abs=0.02)


def test_those_who_look_for_a_target_see_one_pod() -> None:
    processes = [
        router_pb2.Pod(
            pod_id=f"access-0.{number}",
            role=router_pb2.POD_ROLE_ACCESS,
            state=router_pb2.POD_STATE_ACTIVE,
            client_endpoint="access-0:7400",
            sessions=10,
            arrivals_per_second=20,
            process_of=router_pb2.ProcessOf(pod_id="access-0", incarnation="a", processes=2),
        )
        for number in (1, 2)
    ]
    (target,) = candidates(processes, 0.0, 0.0)
    assert (target.pod_id, target.endpoint) == ("access-0", "access-0:7400")
    assert (target.sessions, target.arrivals_per_second, target.is_open) == (20, 40.0, True)
