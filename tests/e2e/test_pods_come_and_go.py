"""Access pods stop, are replaced, come and die under traffic, and nobody notices.

Real processes, the real controller, the real SDK; what clients saw and what the stores hold is
judged by the checkers.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.e2e_world import command, crowd_of, drains_itself, held, talk_during
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def world(access: int = 3, drain: int = 1, users: int = 40) -> AsyncIterator[Any]:
    async with (
        Stack.start(StackSpec(access=access, drain=drain, gateway=0)) as stack,
        crowd_of(stack, users, seed=5) as crowd,
    ):
        yield stack, crowd


async def test_a_rolling_restart_moves_each_client_once_and_nobody_is_without_a_stream() -> None:
    async with world() as (stack, crowd):
        await talk_during(crowd, stack.restart_role("access"))
        await held(stack, crowd)
        assert crowd.losses == 0
        assert max(crowd.moves) == 1


@pytest.mark.slow
async def test_a_rollout_goes_on_when_its_controller_is_killed() -> None:
    async with world() as (stack, crowd):

        async def rollout() -> None:
            rolling = asyncio.ensure_future(stack.restart_role("access"))
            await asyncio.sleep(0)
            await stack.kill("drain-0")
            await rolling

        await talk_during(crowd, rollout())
        await held(stack, crowd)
        assert crowd.losses == 0
        assert sum(moves > 1 for moves in crowd.moves) <= len(crowd.moves) * 0.05


async def test_a_pod_drains_itself_with_no_controller_at_all() -> None:
    async with world(drain=0) as (stack, crowd):
        await drains_itself(stack, crowd, one_in=3)


@pytest.mark.slow
async def test_a_pod_that_is_killed_in_mid_drain_costs_no_message() -> None:
    async with world() as (stack, crowd):

        async def kill() -> None:
            await stack.kill("access-0", signal.SIGTERM)
            await asyncio.sleep(0)
            await stack.kill("access-0")
            await stack.wait_healthy(60, "access-0")

        await talk_during(crowd, kill())
        await held(stack, crowd)


@pytest.mark.slow
async def test_a_target_that_dies_costs_no_message() -> None:
    async with world() as (stack, crowd):

        async def drain() -> None:
            await stack.kill("access-0", signal.SIGTERM)
            await stack.kill("access-1")
            await stack.wait_healthy(60)

        await talk_during(crowd, drain())
        await held(stack, crowd)


@pytest.mark.slow
async def test_a_paused_pod_comes_back_as_a_zombie_and_harms_nobody() -> None:
    async with world() as (stack, crowd):

        async def pause() -> None:
            await stack.kill("access-0", signal.SIGTERM)
            await stack.kill("access-0", signal.SIGSTOP)
            await crowd.talk(200, at_once=5)
            await stack.kill("access-0", signal.SIGCONT)
            await stack.wait_healthy(90)

        await talk_during(crowd, pause())
        await held(stack, crowd)


async def test_an_operator_drains_scales_and_restarts_by_command(tmp_path: Path) -> None:
    async with world(access=2, users=30) as (stack, crowd):
        here = stack.folder.path

        async def from_elsewhere(*words: str) -> Any:
            """By somebody who has an address of it alone."""
            return await command(tmp_path, *words, "--controller", stack.endpoint_of("drain-0"))

        async def operate() -> None:
            await command(here, "scale", "access=3")
            await stack.platform.wait_settled("access")
            await command(here, "drain", "access-0")
            plans = (await from_elsewhere("drains"))["plans"]
            assert any(plan["pod"] == "access-0" and plan["remaining"] == 0 for plan in plans)
            await from_elsewhere("drain", "access-0", "--abort")
            await command(here, "scale", "access=2")
            await stack.platform.wait_settled("access")

        await talk_during(crowd, asyncio.wait_for(operate(), 100))
        await held(stack, crowd)
        assert crowd.losses == 0
