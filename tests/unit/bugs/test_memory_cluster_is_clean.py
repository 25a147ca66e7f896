"""Without a bug the worlds of the seeded bugs keep every promise, whatever is done to them."""

from __future__ import annotations

import pytest

from tests.unit.bugs.plans import EVERY
from whimbrel.testing.memory_cluster.findings import verdict_of
from whimbrel.testing.memory_cluster.world import run_world

AT_ONCE = range(1, 11)
MORE = range(11, 51)


@pytest.mark.parametrize(
    "seed", [*AT_ONCE, *(pytest.param(seed, marks=pytest.mark.simulation) for seed in MORE)]
)
def test_a_world_without_a_bug_is_clean(seed: int) -> None:
    """Every other seed is for the world in which everything happens, the rest goes around."""
    names = list(EVERY)
    name = names[0] if seed % 2 else names[seed // 2 % len(names)]
    world = run_world(seed, EVERY[name])
    findings = verdict_of(world)
    assert not findings.kinds, f"{name}, seed {seed}: {findings}"
    assert len(world.record.given) > world.plan.messages
    assert len(world.record.accepted_at) > world.plan.messages / 2


def test_the_same_seed_gives_the_same_world() -> None:
    one, other = run_world(3), run_world(3)
    assert one.record.events == other.record.events
