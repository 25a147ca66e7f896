"""A service inside a test: what it dies of is what the test fails with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceFailedError, ServiceSpec
from whimbrel.runtime.settings import PodSettings, ServiceSettings
from whimbrel.testing.servers import running_service

SETTINGS = ServiceSettings(pod=PodSettings(listen="127.0.0.1:0", grace_seconds=1.0))


def spec(
    start: Callable[[ServiceSettings, Chassis], Awaitable[None]],
) -> ServiceSpec[ServiceSettings]:
    return ServiceSpec("toy", ServiceSettings, start)


class Dies:
    """A service with a task that fails when it is told to, and drains until it may go."""

    def __init__(self) -> None:
        self.now = asyncio.Event()
        self.draining = asyncio.Event()
        self.drained = asyncio.Event()

    async def start(self, _: ServiceSettings, chassis: Chassis) -> None:
        async def dies() -> None:
            await self.now.wait()
            raise ValueError("it broke")

        async def drain() -> None:
            self.draining.set()
            await self.drained.wait()

        chassis.spawn(dies(), "dies")
        chassis.on_drain(drain)


@pytest.mark.parametrize("is_drained", [True, False], ids=["is gone", "drains still"])
async def test_a_block_that_fails_after_the_service_died_fails_with_its_reason(
    is_drained: bool,
) -> None:
    toy = Dies()
    if is_drained:
        toy.drained.set()

    async def block() -> None:
        async with asyncio.timeout(30), running_service(spec(toy.start), SETTINGS):
            toy.now.set()
            await toy.draining.wait()
            asyncio.get_running_loop().call_soon(toy.drained.set)
            raise TimeoutError("the Router does not know it")

    with pytest.raises(ServiceFailedError) as raised:
        await block()
    assert str(raised.value.__cause__) == "it broke"


async def test_a_block_that_ends_well_fails_with_the_service() -> None:
    toy = Dies()
    toy.drained.set()

    async def block() -> None:
        async with running_service(spec(toy.start), SETTINGS):
            toy.now.set()
            await toy.draining.wait()

    with pytest.raises(ServiceFailedError):
        await block()


async def test_what_a_block_raises_beside_a_sound_service_is_its_own() -> None:
    toy = Dies()
    toy.drained.set()
    with pytest.raises(KeyError):
        async with running_service(spec(toy.start), SETTINGS):
            raise KeyError
    assert not toy.draining.is_set()


async def test_a_service_that_does_not_come_up_in_its_time_is_named() -> None:
    async def never(_: ServiceSettings, chassis: Chassis) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="toy does not serve"):
        async with running_service(spec(never), SETTINGS, start_seconds=0.05):
            pass
