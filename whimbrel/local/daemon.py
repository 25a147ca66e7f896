"""A stack that outlives the command that started it, and one that ends with Ctrl-C.

A detached supervisor is this module run as a program, in a session of its own. It reports
through a pipe, one JSON object a line: {"progress": …} while it starts, then {"healthy": true}
or {"error": …}; the command that started it shows them and leaves. Whatever it says later is in
logs/supervisor.log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from whimbrel.local.children import Identity, end_processes
from whimbrel.local.errors import StackError, make_folder, tail
from whimbrel.local.stack import Progress, Stack, StackSpec
from whimbrel.local.state import DataFolder, StackRecord

STOP_SECONDS = 90.0
"""Longer than a supervisor needs: each layer has its grace, and SIGKILL after it."""

Ready = Callable[[StackRecord], None]


async def run_until_signal(spec: StackSpec, progress: Progress, ready: Ready) -> None:
    """Run a stack until SIGINT or SIGTERM; a second one ends it without grace.

    `ready` is called once it is healthy. Raises StackError when it cannot start.
    """
    running = asyncio.current_task()
    assert running is not None
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        progress("stopping" if signals == 1 else "stopping at once")
        running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        async with Stack.start(spec, progress=progress) as stack:
            ready(stack.record)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not signals:
            raise
        while running.uncancel():
            pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def run_detached(spec: StackSpec, progress: Progress) -> StackRecord:
    """Start a supervisor of its own and wait until its stack is healthy; its record.

    Raises StackError with the supervisor's own words when it cannot start. Interrupted, it ends
    the supervisor too.
    """
    assert spec.data is not None, "a temporary stack has nobody who would remove its data"
    folder = DataFolder(spec.data)
    make_folder(folder.logs)
    log = folder.logs / "supervisor.log"
    reader, writer = os.pipe()
    described = json.dumps(asdict(spec), default=str)
    with os.fdopen(reader) as reports, log.open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", __name__, str(writer), described],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(writer,),
            cwd="/",
            start_new_session=True,
        )
        os.close(writer)
        try:
            _follow(reports, log, progress)
        except KeyboardInterrupt:
            supervisor.terminate()
            supervisor.wait(STOP_SECONDS)
            raise
    supervisor.returncode = 0  # it is not ours to wait for any more
    return folder.running()


def _follow(reports: IO[str], log: Path, progress: Progress) -> None:
    """Read reports until the stack is healthy; raises StackError when it is not to be."""
    for line in reports:
        report = json.loads(line)
        if "error" in report:
            raise StackError(report["error"])
        if "healthy" in report:
            return
        progress(report["progress"])
    raise StackError(f"the supervisor ended at its start; the end of its log {log}:\n{tail(log)}")


async def stop_running(folder: DataFolder) -> int | None:
    """End the stack of this folder; how many processes it had, None when there was none.

    Raises StackError when something of it is still there in the end.
    """
    record = folder.record()
    if record is None:
        return None
    processes = [one for one in record.processes() if one.is_alive]
    if record.is_running:
        processes.append(record.supervisor)
    if not processes:
        folder.forget_record()
        return None
    left: list[Identity] = []
    if record.is_running:
        # It ends its parts in their order; they are looked at again because one may have been
        # restarted since the record was read.
        left = await end_processes([record.supervisor], grace_seconds=STOP_SECONDS)
        latest = folder.record()
        processes += latest.processes() if latest else []
    left += await end_processes(processes, grace_seconds=5.0)
    if left:
        pids = ", ".join(str(one.pid) for one in left)
        raise StackError(f"these processes do not end: {pids}")
    folder.forget_record()
    return len(set(processes))


def main(arguments: list[str]) -> None:
    """The detached supervisor: `python -m whimbrel.local.daemon FD SPEC`."""
    reports = os.fdopen(int(arguments[0]), "w", buffering=1)
    raw = json.loads(arguments[1])
    spec = StackSpec(**{**raw, "data": Path(raw["data"])})

    def tell(report: dict[str, object]) -> None:
        # The reader leaves once it knows the outcome.
        with suppress(BrokenPipeError, ValueError):
            reports.write(json.dumps(report) + "\n")

    def progress(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        tell({"progress": line})

    def ready(_: StackRecord) -> None:
        tell({"healthy": True})
        reports.close()

    try:
        asyncio.run(run_until_signal(spec, progress, ready))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        tell({"error": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
