"""Flame graphs of the server processes while a bench measures, by py-spy.

py-spy looks at a process from outside, a hundred times a second. It costs CPU of its own, so a
run that is looked at is not one whose figures count.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from bench.processes import LoadFailedError

_STORES: Final = ("mongod", "redis")
"""Not Python: py-spy cannot read them."""
_ASLEEP: Final = b"No stack counts found"
"""What py-spy says of a process that never ran while it looked: it has no status for that."""
_BACKTRACE: Final = "Stack backtrace:"
_WRITE_SECONDS = 60.0


def find_py_spy() -> str:
    """Its path: beside this Python or on the PATH. Raises LoadFailedError that says what to do."""
    beside = Path(sys.executable).parent / "py-spy"
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise LoadFailedError(
            "--profile needs py-spy, which is not on the PATH: pip install py-spy"
        )
    return found


def recording(
    pids: Callable[[], Mapping[str, int]], folder: Path, name: str
) -> Callable[[float], Awaitable[None]]:
    """What `run` may do meanwhile: write `folder`/NAME-PROCESS.svg for each service that
    does anything. Raises as find_py_spy does."""

    program = find_py_spy()
    folder.mkdir(parents=True, exist_ok=True)

    async def record(seconds: float) -> None:
        watched = {
            process: pid for process, pid in pids().items() if not process.startswith(_STORES)
        }
        await asyncio.gather(
            *(
                _record(program, pid, folder / f"{name}-{process}.svg", seconds)
                for process, pid in watched.items()
            )
        )

    return record


async def _record(program: str, pid: int, picture: Path, seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        program,
        "record",
        *("--pid", str(pid), "--duration", str(max(1, round(seconds)))),
        *("--format", "flamegraph", "--output", str(picture), "--nonblocking"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds + _WRITE_SECONDS):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode and _ASLEEP in said:
        picture.unlink(missing_ok=True)  # noqa: ASYNC240 - py-spy left an empty one, of no use
    elif process.returncode:
        words = said.decode().partition(_BACKTRACE)[0].strip()
        raise LoadFailedError(f"py-spy could not look at {picture.stem}: {words[-500:]}")
