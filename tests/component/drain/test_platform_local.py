"""The local adapters at their edges: refusals as the port names them, and a supervisor that is
away, freezes or stops. What every platform does is in the contract suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from pathlib import Path

import pytest

from services.drain.adapters import platform_local
from services.drain.adapters.platform_local import open_local
from services.drain.ports import Leadership, Platform
from services.drain.settings import DrainSettings, PlatformSettings
from tests.local.small_platform import LINGERS, SLEEPS, SmallPlatform, small_platform
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.local.certificates import Authority
from whimbrel.local.platform_service import serving
from whimbrel.local.ports import Ports
from whimbrel.local.stack_tls import StackTls
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.settings import PodSettings, RouterTarget
from whimbrel.runtime.tls import Dial, dialer


def opened(
    address: str, stack: AsyncExitStack, dial: Dial = open_channel
) -> tuple[Platform, Leadership]:
    settings = DrainSettings(
        pod=PodSettings(id="drain-0"),
        platform=PlatformSettings(kind="local", address=address),
        router=RouterTarget(addresses="127.0.0.1:1"),
    )
    return open_local(settings, stack, dial)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[SmallPlatform, Platform]]:
    with closing(Ports()) as ports:
        address = f"127.0.0.1:{ports.take()}"
        async with (
            small_platform(folder) as small,
            serving(small.platform, address),
            AsyncExitStack() as stack,
        ):
            yield small, opened(address, stack)[0]


async def test_what_the_supervisor_refuses_is_an_invalid_argument(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, platform):
        for ask in (
            platform.scale("access", 0),
            platform.scale("router", 2),
            platform.restart("access", 0),
        ):
            with pytest.raises(WhimbrelError) as refusal:
                await ask
            assert refusal.value.code is ErrorCode.INVALID_ARGUMENT


async def test_a_pod_that_is_being_stopped_says_how_long_it_has(tmp_path: Path) -> None:
    async with world(tmp_path) as (small, platform):
        small.sleepers.program, small.sleepers.drain_seconds = LINGERS, 1.0
        await platform.scale("access", 3)
        await small.settled()
        small.sleepers.program = SLEEPS
        await platform.release("access-2")
        await platform.release("access-2")  # safe to repeat
        async with asyncio.timeout(10), aclosing(platform.watch()) as views:  # type: ignore[type-var]
            async for view in views:
                pods = {pod.pod_id: pod for pod in view.pods}
                left = pods["access-2"].deleted_in_seconds
                assert left is not None
                assert 0 < left <= 1.0
                assert not pods["access-2"].ready
                assert pods["access-0"].deleted_in_seconds is None
                break
        await small.settled()
        assert small.names() == ["access-0", "access-1", "access-3"]


async def test_a_supervisor_that_is_away_is_unavailable() -> None:
    with closing(Ports()) as ports:
        async with AsyncExitStack() as stack:
            platform, leadership = opened(f"127.0.0.1:{ports.take()}", stack)
            for ask in (platform.scale("access", 1), leadership.hold(0)):
                with pytest.raises(WhimbrelError) as refusal:
                    await ask
                assert refusal.value.code is ErrorCode.UNAVAILABLE
            with pytest.raises(WhimbrelError) as refusal:
                await anext(aiter(platform.watch()))
            assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_a_supervisor_that_falls_silent_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform_local, "_SILENCE_SECONDS", 0.2)
    async with world(tmp_path) as (_, platform):
        async with asyncio.timeout(10), aclosing(platform.watch()) as views:  # type: ignore[type-var]
            await anext(views)
            with pytest.raises(WhimbrelError) as refusal:
                await anext(views)
        assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_with_certificates_the_controller_alone_gives_orders(tmp_path: Path) -> None:
    tls = StackTls(tmp_path / "tls", is_wanted=True)
    authority = Authority(tmp_path / "tls")
    with closing(Ports()) as ports:
        address = f"127.0.0.1:{ports.take()}"
        shown = tls.server_credentials()
        async with (
            small_platform(tmp_path) as small,
            serving(small.platform, address, credentials=shown, admit=tls.admit()),
            AsyncExitStack() as stack,
        ):
            push = dialer(authority.issue("push-0", role="push"))
            platform, leadership = opened(address, stack, push)
            for ask in (platform.scale("access", 3), leadership.hold(0), anext(platform.watch())):
                with pytest.raises(WhimbrelError, match=r"push may not call .*role drain$") as no:
                    await ask
                assert no.value.code is ErrorCode.PERMISSION_DENIED
                assert no.value.retry_after_seconds is None
            drain = dialer(authority.issue("drain-0", role="drain"))
            assert (await opened(address, stack, drain)[1].hold(0)).is_own


async def test_a_stack_that_goes_down_takes_no_orders(tmp_path: Path) -> None:
    with closing(Ports()) as ports:
        address = f"127.0.0.1:{ports.take()}"
        async with AsyncExitStack() as stack:
            platform, leadership = opened(address, stack)
            async with small_platform(tmp_path) as small:
                await stack.enter_async_context(serving(small.platform, address))
                assert (await leadership.hold(0)).is_own
            with pytest.raises(WhimbrelError) as refusal:
                await platform.scale("access", 3)
            assert refusal.value.code is ErrorCode.UNAVAILABLE
            await leadership.resign()
