"""How long a soak may take: the time to settle is not paid for by a slow start. Simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from whimbrel.local import soak
from whimbrel.local.soak import EXTRA_SECONDS, Order, Outcome, Soak
from whimbrel.testing.memory_cluster.virtual_time import let_pass, run_simulated
from whimbrel.testing.soak.device import Target
from whimbrel.testing.soak.plan import SoakSpec

LOAD_SECONDS = 100.0


class SlowWorld:
    """A cluster that takes `start` seconds to come up, and a workload that settles in `settling`
    seconds, whatever it is given."""

    def __init__(self, patch: pytest.MonkeyPatch, *, start: float, settling: float) -> None:
        self.settled = False

        class SlowWorkload:
            unsaid = 0

            def __init__(self, *_: object) -> None: ...

            @asynccontextmanager
            async def attached(self) -> AsyncIterator[None]:
                yield

            async def talk(self, stop: asyncio.Event) -> None:
                await stop.wait()

            async def settle(me, _: float) -> bool:  # noqa: N805
                await let_pass(settling)
                self.settled = True
                return True

        @asynccontextmanager
        async def target(_: Soak) -> AsyncIterator[tuple[Target, None]]:
            await let_pass(start)
            yield Target(lambda: (), lambda user: ""), None

        async def here(work: Callable[..., object], *arguments: object, **named: object) -> object:
            return work(*arguments, **named)  # simulated time has no threads

        patch.setattr(asyncio, "to_thread", here)
        patch.setattr(soak, "Workload", SlowWorkload)
        patch.setattr(Soak, "_target", target)

    def run(self, folder: Path) -> tuple[Outcome, float]:
        async def main() -> tuple[Outcome, float]:
            loop = asyncio.get_running_loop()
            begin = loop.time()
            order = Order(SoakSpec(seconds=LOAD_SECONDS), frozenset(), folder)
            outcome = await Soak(order, lambda text: None).run()
            return outcome, loop.time() - begin

        return run_simulated(main)


def test_a_slow_start_does_not_shorten_the_time_to_settle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = SlowWorld(monkeypatch, start=50.0, settling=30.0)
    outcome, seconds = world.run(tmp_path)
    assert world.settled
    assert outcome.verdict.is_complete
    assert seconds == pytest.approx(50.0 + LOAD_SECONDS + 30.0)


def test_a_soak_always_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = SlowWorld(monkeypatch, start=50.0, settling=1_000.0)
    outcome, seconds = world.run(tmp_path)
    assert not outcome.verdict.is_complete
    assert seconds < 50.0 + LOAD_SECONDS + EXTRA_SECONDS


def test_a_cluster_that_never_comes_up_ends_it_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = SlowWorld(monkeypatch, start=10_000.0, settling=1.0)
    outcome, seconds = world.run(tmp_path)
    assert not outcome.verdict.is_complete
    assert seconds < LOAD_SECONDS + EXTRA_SECONDS
