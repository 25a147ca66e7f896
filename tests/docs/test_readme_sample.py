"""The README's sample runs as it stands there, against a real stack."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

import whimbrel
from whimbrel.local.stack import Stack, StackSpec

README = Path(__file__).resolve().parents[2] / "README.md"


def sample() -> str:
    """The only Python block of the README."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_sample_has_twelve_lines() -> None:
    assert len(sample().splitlines()) == 12


@pytest.mark.timeout(120)
async def test_the_sample_sends_and_receives() -> None:
    spec = StackSpec(gateway=0, push=0, drain=0)
    async with Stack.start(spec) as stack, asyncio.timeout(60):
        endpoint = stack.endpoints[0]
        async with whimbrel.connect(endpoint, stack.token("bob"), device="phone") as bob:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-u",
                "-c",
                sample(),
                env={
                    **os.environ,
                    "WHIMBREL_ENDPOINT": endpoint,
                    "WHIMBREL_TOKEN": stack.token("alice"),
                },
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            try:
                assert (await process.stdout.readline()).startswith(b"stored as ")
                event = await anext(aiter(bob.events()))
                assert (event.sender_id, event.text) == ("alice", "hello")
                await bob.send("alice", "hello yourself")
                assert await process.stdout.readline() == b"bob says hello yourself\n"
            finally:
                process.terminate()
                await process.wait()
