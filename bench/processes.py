"""Load processes: how they are started, and how one line at a time is exchanged with them."""

from __future__ import annotations

import asyncio
import sys

_LINE_BYTES = 256 * 1024 * 1024


class LoadFailedError(Exception):
    """A load process ended without a result; its own words are in the message."""


async def start(module: str) -> asyncio.subprocess.Process:
    """Run `python -m MODULE`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )


def write(process: asyncio.subprocess.Process, line: str) -> None:
    """Tell it."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())


async def expect(process: asyncio.subprocess.Process, word: str, timeout_seconds: float) -> None:
    """Its next line must be this one. LoadFailedError when it is not."""
    line = await line_of(process, timeout_seconds)
    if line != word:
        raise LoadFailedError(f"a load process said {line[:200]!r} instead of {word!r}")


async def line_of(process: asyncio.subprocess.Process, timeout_seconds: float) -> str:
    """Its next line. LoadFailedError when there is none in time."""
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_seconds):
            line = await process.stdout.readline()
            if line:
                return line.decode().strip()
            said = (await process.stderr.read()).decode()
    except TimeoutError:
        raise LoadFailedError(
            f"a load process gave no answer within {timeout_seconds:.0f} s"
        ) from None
    raise LoadFailedError(f"a load process ended early:\n{said[-2000:]}")


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill it if it still runs, and wait until it is gone."""
    if process.returncode is None:
        process.kill()
    await process.wait()
