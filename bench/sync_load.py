"""The load of the sync bench: devices that come back to full timelines, in a process of their own.

`python -m bench.sync_load` reads a SyncPlan as JSON from standard input, says "ready" on a line,
waits for a line that says "go", and prints a SyncResult as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import uvloop

from bench import collector
from bench.load import READY
from whimbrel.client import connect


@dataclass(frozen=True)
class SyncPlan:
    """What one process does."""

    users: list[str]
    tokens: dict[str, str]
    endpoints: list[str]
    messages: int
    """That wait for each of them."""
    device: str = "bench"
    at_once: int = 50
    """Devices that come at the same time; the others as soon as one has everything."""
    give_up_seconds: float = 120.0


@dataclass
class SyncResult:
    """What its devices saw; times are monotonic seconds of this machine."""

    began: float = 0.0
    ended: float = 0.0
    device_us: list[int] = field(default_factory=list)
    """Of each device that got everything: from its connect until its application has the last."""
    got: int = 0
    duplicated: int = 0


async def run(plan: SyncPlan) -> SyncResult:
    """All devices, each with cursor 0."""
    result = SyncResult()
    gate = asyncio.Semaphore(plan.at_once)

    async def sync(user: str) -> None:
        async with gate:
            began = time.monotonic()
            seqs: set[int] = set()
            async with connect(
                plan.endpoints, plan.tokens[user], device=plan.device, cursor=0, timeout_seconds=60
            ) as client:
                async for event in client.events():
                    result.duplicated += event.seq in seqs
                    seqs.add(event.seq)
                    if len(seqs) == plan.messages:
                        result.device_us.append(int((time.monotonic() - began) * 1e6))
                        result.ended = time.monotonic()
                        break
                result.got += len(seqs)

    result.began = time.monotonic()
    try:
        async with asyncio.timeout(plan.give_up_seconds), asyncio.TaskGroup() as devices:
            for user in plan.users:
                devices.create_task(sync(user))
    except TimeoutError:
        result.ended = time.monotonic()  # what is missing then counts as lost
    return result


async def _main() -> None:
    loop = asyncio.get_running_loop()
    plan = SyncPlan(**json.loads(sys.stdin.readline()))
    collector.rest()
    print(READY, flush=True)  # noqa: T201 - the protocol with the parent
    await loop.run_in_executor(None, sys.stdin.readline)
    print(json.dumps(asdict(await run(plan))), flush=True)  # noqa: T201


def main() -> None:
    """See the module."""
    uvloop.run(_main())


if __name__ == "__main__":
    main()
