"""Access pods with two processes each: messages between them, deaths, drains, and the parent.

Real processes, the real controller, the real SDK; what clients saw and what the stores hold is
judged by the checkers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.access.processes.shared_port import free_port
from tests.e2e.e2e_world import command, crowd_of, drains_itself, held, talk_during
from tests.scraping import scrape, value
from tests.waiting import until
from whimbrel.api.router.v1 import router_pb2
from whimbrel.local.cluster import list_pods
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def world(access: int = 1, drain: int = 1, users: int = 40) -> AsyncIterator[Any]:
    spec = StackSpec(access=access, access_processes=2, drain=drain, gateway=0, push=0)
    async with Stack.start(spec) as stack, crowd_of(stack, users, seed=5) as crowd:
        yield stack, crowd


def processes_of(stack: Stack, name: str) -> list[psutil.Process]:
    """The processes that the parent of this pod keeps now."""
    return psutil.Process(stack.pid(name)).children()


async def sessions_of(stack: Stack) -> dict[str, int]:
    """How many each Access process says it holds."""
    pods = await list_pods(stack.router_addresses)
    return {pod.pod_id: pod.sessions for pod in pods if pod.process_of.pod_id}


def came_by_ticket(stack: Stack, name: str) -> set[str]:
    """The processes of this pod that let somebody in by ticket, as their canonical lines say."""
    lines = (stack.folder.logs / f"{name}.log").read_text().splitlines()
    said = [json.loads(line) for line in lines if '"stream_closed"' in line]
    return {line["pod"] for line in said if line["arrived_by_move"]}


async def test_a_process_that_is_killed_loses_no_message_and_is_started_again() -> None:
    async with world() as (stack, crowd):

        async def both_hold_some() -> bool:
            held_by = await sessions_of(stack)
            return len(held_by) == 2 and all(held_by.values())

        await until(both_hold_some, seconds=10)
        await crowd.talk(200, at_once=20)
        victim, other = processes_of(stack, "access-0")

        async def kill() -> None:
            victim.send_signal(signal.SIGKILL)
            await until(lambda: len(processes_of(stack, "access-0")) == 2, seconds=10)

        await talk_during(crowd, kill())
        await held(stack, crowd)
        assert victim not in processes_of(stack, "access-0")
        assert other in processes_of(stack, "access-0")
        assert stack.starts("access-0") == 1
        assert crowd.losses < 40  # those of one process


async def test_a_rolling_restart_of_pods_with_two_processes_moves_each_client_once() -> None:
    spec = StackSpec(access=2, access_processes=2, gateway=0, push=0)
    async with Stack.start(spec) as stack:
        async with crowd_of(stack, 40, seed=5) as crowd:
            await talk_during(crowd, stack.restart_role("access"))
            await held(stack, crowd)
            assert crowd.losses == 0
            assert max(crowd.moves) == 1
        # A ticket names the pod: those that came by one are in both of its processes.
        pods = [name for name in stack.pods if name.startswith("access-")]
        came = {pod for name in pods for pod in came_by_ticket(stack, name)}
        assert came == {f"{name}.{number}" for name in pods for number in (1, 2)}


@pytest.mark.slow
async def test_a_pod_with_two_processes_drains_itself_with_no_controller_at_all() -> None:
    async with world(access=2, drain=0) as (stack, crowd):
        await drains_itself(stack, crowd, one_in=4)


async def test_a_parent_that_is_killed_leaves_no_process_behind() -> None:
    async with world(users=4) as (stack, crowd):
        left = processes_of(stack, "access-0")
        assert len(left) == 2

        async def kill() -> None:
            await stack.kill("access-0")
            await until(lambda: not any(process.is_running() for process in left), seconds=5)
            await stack.wait_healthy(30, "access-0")

        await talk_during(crowd, kill())
        await held(stack, crowd)


async def test_the_hook_and_the_metrics_of_a_pod_are_those_of_all_its_processes(
    tmp_path: Path,
) -> None:
    shown, socket = free_port(), tmp_path / "drain.sock"
    told = {"WHIMBREL_METRICS__LISTEN": shown, "WHIMBREL_DRAIN__SOCKET": str(socket)}
    spec = StackSpec(
        access_processes=2, drain=0, gateway=0, push=0, role_environment={"access": told}
    )
    async with Stack.start(spec) as stack, crowd_of(stack, 20, seed=5) as crowd:
        scraped = await scrape(shown)
        sessions = [
            value(scraped, "whimbrel_access_sessions", process=number) for number in ("1", "2")
        ]
        assert sum(one or 0 for one in sessions) == len(crowd.moves)
        for number in ("1", "2"):
            starts = value(scraped, "whimbrel_access_process_starts_total", process=number)
            assert starts == 1
        status, lines = await pre_stop(stack, socket)
        assert (status, lines[-1]) == (0, "empty")
        left = await scrape(shown)
        assert value(left, "whimbrel_access_drain_phase", process="1", phase="active") == 0
        assert value(left, "whimbrel_access_drain_phase", process="2", phase="active") == 0


async def pre_stop(stack: Stack, socket: Path) -> tuple[int, list[str]]:
    """What the hook of the manifests does: its exit status, and what it says."""
    settings = {
        "WHIMBREL_ROUTER__ADDRESSES": stack.router_addresses,
        "WHIMBREL_AUTH__SECRET_FILE": "/nowhere",
        "WHIMBREL_DRAIN__DEADLINE_SECONDS": "20",
        "WHIMBREL_DRAIN__SOCKET": str(socket),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.access.prestop",
        env=dict(os.environ) | settings, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode().splitlines()


@pytest.mark.slow
async def test_a_process_that_dies_in_mid_drain_is_drained_again_and_the_plan_is_done() -> None:
    async with world(access=2) as (stack, crowd):

        async def is_draining() -> bool:
            pods = await list_pods(stack.router_addresses)
            states = [pod.state for pod in pods if pod.process_of.pod_id == "access-0"]
            return states == [router_pb2.POD_STATE_DRAINING] * 2

        async def drain() -> None:
            draining = asyncio.ensure_future(
                command(stack.folder.path, "drain", "access-0", "--deadline", "40")
            )
            await until(is_draining)
            processes_of(stack, "access-0")[0].send_signal(signal.SIGKILL)
            await draining
            plans = (await command(stack.folder.path, "drains"))["plans"]
            assert [plan["remaining"] for plan in plans if plan["pod"] == "access-0"] == [0]
            # It is back, and empty: nobody comes to a pod that is being drained.
            await until(lambda: len(processes_of(stack, "access-0")) == 2)

        await talk_during(crowd, drain())
        await held(stack, crowd)
        held_by = await sessions_of(stack)
        assert [held_by[f"access-0.{number}"] for number in (1, 2)] == [0, 0]
