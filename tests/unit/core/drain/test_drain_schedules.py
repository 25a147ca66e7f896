"""PodDrain and SessionMove under any schedule: no order is lost, budgets hold, a drain ends by its
deadline, an aborted one returns to ACTIVE, terms never go back."""

from __future__ import annotations

import pytest

from tests.unit.core.drain.drain_world import World
from whimbrel.core.drain.pod_drain_types import DrainPhase


def play(seed: int) -> None:
    world = World(seed)
    dice = world.dice
    for _ in range(dice.randint(1, 12)):
        world.leaders()
        for _ in range(dice.randint(0, 8)):
            world.step()
    end = dice.choice(["stop", "drain", "abort"])
    if end == "stop":
        seconds = dice.choice([0.5, 10.0, 60.0])
        world.drain.stop("SIGTERM", "self-1", seconds, world.now)
        assert world.drain.deadline <= world.now + seconds
        for _ in range(dice.randint(0, 5)):
            world.leaders()
            world.step()
        assert world.drain.is_cordoned
    elif end == "drain":
        world.order_drain()
    else:
        world.rest()
        world.act()
        assert world.drain.phase is DrainPhase.ACTIVE
        assert not world.drain.is_cordoned
    world.run_out()
    if end != "abort":
        assert not world.sessions
        assert world.drain.phase is DrainPhase.EMPTY
        world.drain.release()
    world.check_pace()


def play_all(seeds: range) -> None:
    for seed in seeds:
        try:
            play(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_a_hundred_schedules() -> None:
    play_all(range(100))


@pytest.mark.simulation
def test_five_thousand_schedules() -> None:
    play_all(range(100, 5_100))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_schedules() -> None:
    play_all(range(10_000, 110_000))
