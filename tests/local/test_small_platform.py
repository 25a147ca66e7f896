"""The platform's loop on real processes that only sleep: whatever happens, it goes on."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.local.small_platform import ENDS, LINGERS, NEVER_READY, SLEEPS, small_platform
from tests.waiting import until
from whimbrel.core.errors import ErrorCode, WhimbrelError


async def test_a_revision_that_never_comes_up_harms_nobody_and_the_next_one_heals(
    tmp_path: Path,
) -> None:
    async with small_platform(tmp_path) as small:
        for broken in (NEVER_READY, ENDS):
            small.sleepers.program = broken
            small.platform.restart("access", 1)
            async with asyncio.timeout(20):
                while len(small.names()) < 3:
                    await small.platform.wait_changed()
            ready = [pod.pod_id for pod in small.platform.view().pods if pod.ready]
            assert ready == ["access-0", "access-1"]
        small.sleepers.program = SLEEPS
        small.platform.restart("access", 1)
        await small.settled()
        assert {pod.revision for pod in small.platform.view().pods} == {"r4"}
        assert set(small.sleepers.discarded) >= {"access-0", "access-1", "access-2"}


async def test_a_pod_that_ends_at_its_start_is_started_again_in_place(tmp_path: Path) -> None:
    async with small_platform(tmp_path) as small:
        small.sleepers.program = ENDS
        small.platform.scale("access", 3)
        await until(
            lambda: len(small.names()) == 3 and small.supervisor.keeper("access-2").starts >= 2
        )
        assert small.names() == ["access-0", "access-1", "access-2"]
        assert any("access-2 ended at its start" in line for line in small.lines)


async def test_a_pod_that_is_cordoned_does_not_count_as_a_successor(tmp_path: Path) -> None:
    async with small_platform(tmp_path, replicas=1) as small:
        small.cordoned.add("access-1")
        small.platform.restart("access", 1)
        async with asyncio.timeout(20):
            while "access-1" not in small.supervisor.keepers:
                await small.platform.wait_changed()
            await small.supervisor.keeper("access-1").wait_healthy()
        assert not small.supervisor.keeper("access-0").is_stopping
        small.cordoned.clear()
        small.platform.stir()
        await small.settled()
        assert small.names() == ["access-1"]


async def test_a_pod_has_its_grace_and_is_killed_then(tmp_path: Path) -> None:
    async with small_platform(tmp_path, replicas=1) as small:
        small.sleepers.program, small.sleepers.drain_seconds = LINGERS, 0.3
        small.platform.restart("access", 1)
        await small.settled()
        small.sleepers.program = SLEEPS
        small.platform.delete("access-1")
        seen = {pod.pod_id: pod for pod in small.platform.view().pods}["access-1"]
        assert 0 < seen.deleted_in_ms <= 300
        assert not seen.ready
        await small.settled()
        assert small.names() == ["access-2"]


async def test_a_stack_that_goes_down_shortens_the_grace_of_a_pod_that_drains(
    tmp_path: Path,
) -> None:
    async with small_platform(tmp_path, replicas=1) as small:
        small.sleepers.program, small.sleepers.drain_seconds = LINGERS, 600.0
        small.platform.restart("access", 1)
        await small.settled()
        small.platform.delete("access-1")
        process = small.supervisor.keeper("access-1").identity
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 10, "its own grace is ten minutes"
    assert not process.is_alive
    with pytest.raises(WhimbrelError) as refusal:
        small.platform.scale("access", 2)
    assert refusal.value.code is ErrorCode.UNAVAILABLE


async def test_nobody_waits_for_the_health_of_a_pod_that_leaves(tmp_path: Path) -> None:
    async with small_platform(tmp_path) as small:
        small.sleepers.program, small.sleepers.drain_seconds = LINGERS, 0.3
        await small.supervisor.keeper("access-0").kill(signal.SIGSTOP)
        small.platform.delete("access-0")
        await small.supervisor.wait_healthy(10)


async def test_what_a_local_platform_cannot_do_is_refused(tmp_path: Path) -> None:
    async with small_platform(tmp_path) as small:
        platform = small.platform
        for ask in (
            lambda: platform.scale("access", 0),
            lambda: platform.scale("access", 33),
            lambda: platform.scale("router", 2),
            lambda: platform.restart("router", 1),
            lambda: platform.restart("access", 0),
        ):
            with pytest.raises(WhimbrelError) as refusal:
                ask()
            assert refusal.value.code is ErrorCode.INVALID_ARGUMENT
