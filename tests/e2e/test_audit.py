"""Whoever audits a busy stack while Logic dies finds nothing: no false alarms."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from tests.e2e.e2e_world import crowd_of, held, stack_of, talk_during
from whimbrel.local.stack import Stack

pytestmark = pytest.mark.timeout(180)


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
