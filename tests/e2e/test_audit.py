"""Whoever audits a busy stack while Logic dies finds nothing: no false alarms."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from http.client import HTTPException

import psutil
import pytest
from pymongo import AsyncMongoClient

from tests.e2e.e2e_world import crowd_of, held, stack_of, talk_during
from tests.scraping import Scrape, scrape, value
from tests.waiting import until
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(240)


async def audit(stack: Stack) -> tuple[int, dict[str, object]]:
    """`whimbrel audit --all` of this stack: its status and its answer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "whimbrel.cli.app", "audit", "--all", "--json",
        "--data", str(stack.folder.path), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(120):
        out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out)


async def test_a_stack_that_commits_while_a_logic_dies_has_no_findings() -> None:
    async with stack_of() as stack, crowd_of(stack, 10, seed=21) as crowd:
        await crowd.talk(100, at_once=20)

        async def kill_and_audit() -> None:
            await stack.kill("logic-0")
            for _ in range(2):
                status, answer = await audit(stack)
                assert (status, answer["findings"]) == (0, [])

        await talk_during(crowd, kill_and_audit())
        await held(stack, crowd)
        status, answer = await audit(stack)
        assert (status, answer["findings"], answer["users"]) == (0, [], 10)


HOLES = "whimbrel_timeline_holes_total"
LOOKS = "whimbrel_timeline_audited_users_total"


async def figures_of(stack: Stack, pod_id: str) -> Scrape:
    """What the pod shows Prometheus; the kernel chose the port, so it is looked for."""
    for port in psutil.Process(stack.server_pids()[pod_id]).net_connections("tcp"):
        if port.status == psutil.CONN_LISTEN:
            with suppress(OSError, HTTPException):  # a port of gRPC, or a pod that dies
                return await scrape(f"127.0.0.1:{port.laddr.port}")
    return {}


@pytest.mark.slow
async def test_the_auditor_goes_on_in_another_logic_when_its_own_is_killed() -> None:
    """The turn is a lease of 30 s, and a finding counts when the 15 s of a repair are over."""
    told = {
        "WHIMBREL_METRICS__LISTEN": "127.0.0.1:0",
        "WHIMBREL_AUDIT__USERS_PER_MINUTE": "6000",
        "WHIMBREL_AUDIT__SETTLE_SECONDS": "16",
    }
    spec = StackSpec(access=1, logic=2, gateway=0, push=0, role_environment={"logic": told})
    async with Stack.start(spec) as stack, crowd_of(stack, 10, seed=22) as crowd:
        pods = ("logic-0", "logic-1")
        await crowd.talk(100, at_once=20)

        async def looks(pod_id: str) -> float:
            return value(await figures_of(stack, pod_id), LOOKS) or 0

        async def has_begun() -> bool:
            return any([await looks(pod_id) for pod_id in pods])

        await until(has_begun)
        first, second = pods if await looks(pods[0]) else pods[::-1]
        assert not await looks(second), "one at a time"
        await talk_during(crowd, stack.kill(first))
        await held(stack, crowd)

        async def is_taken_over() -> bool:
            return any([await looks(pod_id) > 50 for pod_id in pods])

        await until(is_taken_over, seconds=60)
        assert [value(await figures_of(stack, pod_id), HOLES) for pod_id in pods] == [0, 0]

        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(stack.mongo_url)
        async with client:
            timelines = client.whimbrel.timelines
            entry = await timelines.find_one({"user": "user-3", "message_id": {"$ne": None}})
            assert entry is not None
            await timelines.delete_one({"_id": entry["_id"]})

        async def is_found() -> bool:
            return any([value(await figures_of(stack, pod_id), HOLES) for pod_id in pods])

        await until(is_found, seconds=60)
