"""How many push jobs a second go from Logic's stream to a provider, through one push pod.

Everything is as it runs: redis-server, mongod, the pod and an APNs over HTTP/2, each a process of
its own. All jobs are there at once; the time runs from the first of them until the provider has
the last, without the delay that each wake waits for. Some of the users acknowledge meanwhile:
they are not to be woken.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.cpu import core_ms_of, used_since
from bench.processes import LoadFailedError, line_of, start, write
from bench.push_provider import KEY_ID, TEAM_ID, TOPIC
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.domain.model import DeviceCursor, PushJob
from whimbrel.local.children import spawn
from whimbrel.local.cluster import is_serving
from whimbrel.local.mongod import running_mongod
from whimbrel.local.pod_settings import environment_with
from whimbrel.local.ports import Ports
from whimbrel.local.redis_server import running_redis
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import Database, open_mongo

DELAY_SECONDS = 3.0
_BATCH = 500
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.2
_WARM_UP = 200


@dataclass(frozen=True)
class PushWorkload:
    """What is measured."""

    jobs: int = 10_000
    """Each for another user, with one device."""
    acknowledged: int = 500
    """Of those, how many acknowledge within the delay."""
    seconds: float = 120.0
    """The longest that it may take."""


@dataclass(frozen=True)
class PushFigures:
    """One run. Units are in the names; the keys are stable."""

    jobs_per_second: float
    jobs: int
    delivered: int
    cancelled: int
    """Users who had acknowledged and were not woken."""
    lost: int
    """Users who should have been woken and were not."""
    needless: int
    """Users who had acknowledged and were woken all the same, or users who were woken twice."""
    seconds: float
    core_ms_per_job: float
    """CPU of all processes but the provider's, per job."""
    core_ms_by_process: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Flat, but for the CPU by process."""
        return asdict(self)


async def run(workload: PushWorkload) -> PushFigures:
    """Measure once. Raises LoadFailedError and StackError."""
    with TemporaryDirectory(prefix="whimbrel-bench-") as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            redis_server = await stack.enter_async_context(running_redis(folder / "redis"))
            mongod = await stack.enter_async_context(running_mongod(folder / "mongo"))
            provider = await start("bench.push_provider")
            stack.callback(provider.kill)
            write(provider, str(folder))
            port = json.loads(await line_of(provider, _READY_SECONDS))["port"]
            redis = await stack.enter_async_context(
                open_redis(RedisSettings(url=redis_server.url, timeout_seconds=5.0))
            )
            database = await stack.enter_async_context(open_mongo(MongoSettings(url=mongod.url)))
            total = workload.jobs + _WARM_UP
            await _prepare(database, total)
            async with redis.pipeline(transaction=False) as pipeline:
                for number in range(total):
                    pipeline.hset(f"unread:{{user{number}}}", f"d:alice:user{number}", 1)
                    pipeline.hset(f"marks:{{user{number}}}", "counted", 1)
                await pipeline.execute()
            ports = Ports()
            stack.callback(ports.close)
            address = f"127.0.0.1:{ports.take()}"
            pod = await spawn(
                "push",
                [sys.executable, "-m", "services.push"],
                log=folder / "push.log",
                environment=environment_with(
                    _settings(address, redis_server.url, mongod.url, folder, port)
                ),
            )
            stack.push_async_callback(pod.stop, 10.0)
            async with asyncio.timeout(_READY_SECONDS):
                while not await is_serving(address):
                    await asyncio.sleep(_POLL_SECONDS)
            queue = RedisPushQueue(redis)
            # One short run first: indexes, connections and caches are those of a running system.
            await queue.enqueue([_job(number) for number in range(_WARM_UP)])
            await _until_taken(provider, _WARM_UP, workload.seconds)
            pids = {"push": pod.pid, "redis": redis_server.pid, "mongod": mongod.pids[0]}
            before = core_ms_of(pids)
            began = time.monotonic()
            jobs = [_job(number) for number in range(_WARM_UP, total)]
            gone = [job.user for job in jobs[-workload.acknowledged :] if workload.acknowledged]
            # The last ones: what acknowledges has its jobs in the stream, and the delay to do it.
            await queue.enqueue(jobs)
            await MongoCursorStore(database).raise_to(
                [DeviceCursor(user, "phone", 1) for user in gone]
            )
            wanted = _WARM_UP + workload.jobs - len(gone)
            seen = await _until_taken(provider, wanted, workload.seconds)
            await _until_empty(redis, workload.seconds)
            used = used_since(before, core_ms_of(pids))
            write(provider, "?")
            taken = json.loads(await line_of(provider, _READY_SECONDS))["taken"] - _WARM_UP
            seconds = seen["last"] - began - DELAY_SECONDS
    delivered = min(taken, workload.jobs - len(gone))
    return PushFigures(
        jobs_per_second=round(workload.jobs / seconds, 1),
        jobs=workload.jobs,
        delivered=taken,
        cancelled=workload.jobs - taken,
        lost=workload.jobs - len(gone) - delivered,
        needless=taken - delivered,
        seconds=round(seconds, 2),
        core_ms_per_job=round(sum(used.values()) / workload.jobs, 3),
        core_ms_by_process={one: round(ms / workload.jobs, 3) for one, ms in used.items()},
    )


async def _prepare(database: Database, users: int) -> None:
    await database["user_devices"].create_index([("user", 1), ("device", 1)])
    await database["cursors"].create_index([("user", 1)])
    for name in ("reads", "pulls", "settings"):
        await database[name].create_index([("user", 1), ("conversation", 1)], unique=True)
    for chunk in _chunks(users):
        await database["user_devices"].insert_many(
            [
                {
                    "_id": f"user{number}/phone",
                    "user": f"user{number}",
                    "device": "phone",
                    "platform": "ios",
                    "push_provider": "apns",
                    "push_token": f"{number:064x}",
                    "updated_ms": 1,
                }
                for number in chunk
            ]
        )
        await database["cursors"].insert_many(
            [
                {"_id": f"user{one}/phone", "user": f"user{one}", "device": "phone", "cursor": 0}
                for one in chunk
            ]
        )


def _settings(
    address: str, redis_url: str, mongo_url: str, folder: Path, port: int
) -> dict[str, str]:
    return {
        "WHIMBREL_POD__LISTEN": address,
        "WHIMBREL_LOG__FORMAT": "json",
        "WHIMBREL_MONGO__URL": mongo_url,
        "WHIMBREL_REDIS__URL": redis_url,
        # Nobody is asked there: all users are counted.
        "WHIMBREL_ROUTER__ADDRESSES": "127.0.0.1:1",
        "WHIMBREL_DELIVERY__DELAY_SECONDS": f"{DELAY_SECONDS:g}",
        "WHIMBREL_APNS__HOST": "127.0.0.1",
        "WHIMBREL_APNS__PORT": str(port),
        "WHIMBREL_APNS__CA_FILE": str(folder / "certificate.pem"),
        "WHIMBREL_APNS__KEY_FILE": str(folder / "key.p8"),
        "WHIMBREL_APNS__KEY_ID": KEY_ID,
        "WHIMBREL_APNS__TEAM_ID": TEAM_ID,
        "WHIMBREL_APNS__TOPIC": TOPIC,
    }


async def _until_taken(
    provider: asyncio.subprocess.Process, count: int, seconds: float
) -> dict[str, float]:
    ends = time.monotonic() + seconds
    while True:
        write(provider, "?")
        seen: dict[str, float] = json.loads(await line_of(provider, _READY_SECONDS))
        if seen["taken"] >= count:
            return seen
        if time.monotonic() > ends:
            raise LoadFailedError(
                f"the provider has {seen['taken']:.0f} of {count} after {seconds:.0f} s"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _until_empty(redis: Any, seconds: float) -> None:
    """Until nothing waits: those that are not to be woken are judged too."""
    async with asyncio.timeout(seconds):
        while await redis.xlen("push:{jobs}") or await redis.zcard("push:{jobs}:due:apns"):
            await asyncio.sleep(_POLL_SECONDS)


def _job(number: int) -> PushJob:
    user = f"user{number}"
    return PushJob(user, f"d:alice:{user}", "alice", (1 << 60) + number, 1)


def _chunks(count: int) -> Iterator[range]:
    for begins in range(0, count, _BATCH):
        yield range(begins, min(count, begins + _BATCH))
