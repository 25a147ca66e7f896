"""How fast a large file goes up to and comes down from the gateway, against a plain copy.

The plain copy is `plain_copy`: the same server library, a process of its own, the same disk, the
same client, in the same run. Rounds alternate, so that both see the same machine; the median of
each is compared.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import psutil

from bench.processes import line_of
from whimbrel.local.stack import Stack, StackSpec

MIB: Final = 1024 * 1024
_BLOCK: Final = bytes(range(256)) * 1024
_WAIT_SECONDS: Final = 120.0
_SAMPLE_SECONDS: Final = 0.01
USER: Final = "uploader"


@dataclass(frozen=True)
class MediaWorkload:
    """What is measured."""

    megabytes: int = 100
    """Of 10^6 bytes."""
    rounds: int = 3


@dataclass(frozen=True)
class MediaFigures:
    """One run. Speeds in 10^6 bytes a second, medians of the rounds."""

    megabytes: int
    rounds: int
    upload_mb_per_second: float
    plain_upload_mb_per_second: float
    upload_ratio: float
    """Of the plain copy's; 1: as fast."""
    download_mb_per_second: float
    plain_download_mb_per_second: float
    download_ratio: float
    memory_mb: float
    """What the gateway's process had at most beyond what it had after a file of 1 MB."""

    def as_json(self) -> dict[str, object]:
        """Flat; the keys are stable."""
        return asdict(self)


async def measure(workload: MediaWorkload) -> MediaFigures:
    """A stack of its own. Raises StackError, LoadFailedError or RuntimeError."""
    size = workload.megabytes * 1_000_000
    taken: dict[str, list[float]] = {"up": [], "plain_up": [], "down": [], "plain_down": []}
    spec = StackSpec(access=1, logic=1, gateway=1)
    async with Stack.start(spec) as stack, _plain(stack.folder.path) as plain:
        gateway = _Gateway(stack)
        copy = _Client(plain, {})
        await asyncio.to_thread(gateway.up, 1_000_000)
        await asyncio.to_thread(gateway.down, 1_000_000)
        await asyncio.to_thread(copy.put, "/copy", 1_000_000)
        async with _memory(stack.pid("gateway-0")) as grown:
            for _ in range(workload.rounds):
                taken["plain_up"].append(await _seconds(lambda: copy.put("/copy", size)))
                taken["up"].append(await _seconds(lambda: gateway.up(size)))
                taken["plain_down"].append(await _seconds(lambda: copy.get("/copy", size)))
                taken["down"].append(await _seconds(lambda: gateway.down(size)))
    speed = {name: size / 1e6 / statistics.median(rounds) for name, rounds in taken.items()}
    return MediaFigures(
        megabytes=workload.megabytes,
        rounds=workload.rounds,
        upload_mb_per_second=round(speed["up"], 1),
        plain_upload_mb_per_second=round(speed["plain_up"], 1),
        upload_ratio=round(speed["up"] / speed["plain_up"], 2),
        download_mb_per_second=round(speed["down"], 1),
        plain_download_mb_per_second=round(speed["plain_down"], 1),
        download_ratio=round(speed["down"] / speed["plain_down"], 2),
        memory_mb=round(max(grown) / 1e6, 1),
    )


async def _seconds(transfer: Callable[[], object]) -> float:
    started = time.perf_counter()
    await asyncio.to_thread(transfer)
    return time.perf_counter() - started


class _Client:
    """Sends and takes files as fast as they go, and keeps nothing of them."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self._address = address
        self._headers = headers

    def put(
        self, path: str, size: int, *, method: str = "PUT", headers: dict[str, str] | None = None
    ) -> str:
        """Send so many bytes; the Location of the answer."""
        connection = HTTPConnection(self._address, timeout=_WAIT_SECONDS)
        sent = {**self._headers, **(headers or {}), "content-length": str(size)}
        try:
            connection.request(method, path, _blocks(size), sent)
            answer = connection.getresponse()
            answer.read()
            if answer.status not in (201, 204):
                raise RuntimeError(f"{method} {path} was answered {answer.status}")
            return answer.headers.get("location", "")
        finally:
            connection.close()

    def get(self, path: str, size: int) -> None:
        """Take a file of so many bytes."""
        connection = HTTPConnection(self._address, timeout=_WAIT_SECONDS)
        try:
            connection.request("GET", path, None, self._headers)
            answer = connection.getresponse()
            taken = 0
            while piece := answer.read(MIB):
                taken += len(piece)
            if taken != size:
                raise RuntimeError(f"{taken} of {size} bytes came ({answer.status})")
        finally:
            connection.close()


class _Gateway:
    """The same through the gateway of a stack."""

    def __init__(self, stack: Stack) -> None:
        token = stack.token(USER)
        self._client = _Client(
            stack.gateway_url.removeprefix("http://"), {"authorization": f"Bearer {token}"}
        )
        self._path = ""

    def up(self, size: int) -> None:
        """A new medium in one request."""
        self._path = self._client.put(
            "/v1/media",
            size,
            method="POST",
            headers={
                "upload-length": str(size),
                "tus-resumable": "1.0.0",
                "content-type": "application/offset+octet-stream",
            },
        )

    def down(self, size: int) -> None:
        """The last one."""
        self._client.get(self._path, size)


def _blocks(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _BLOCK[:size]
        size -= len(_BLOCK)


@asynccontextmanager
async def _plain(folder: Path) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.plain_copy",
        str(folder / "plain-copy"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield await line_of(process, _WAIT_SECONDS)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def _memory(pid: int) -> AsyncIterator[list[int]]:
    """Bytes that the process has beyond what it has now, sampled while the block runs."""
    process = psutil.Process(pid)
    before = process.memory_info().rss
    grown = [0]

    async def sample() -> None:
        while True:
            grown.append(process.memory_info().rss - before)
            await asyncio.sleep(_SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    try:
        yield grown
    finally:
        sampling.cancel()
