"""The CPU that processes have used."""

from __future__ import annotations

from collections.abc import Mapping

import psutil


def core_ms(pid: int) -> float:
    """User and system CPU so far, in milliseconds, of one process and of those that it keeps (a
    pod may have several). psutil.NoSuchProcess when it is gone."""
    parent = psutil.Process(pid)
    times = [process.cpu_times() for process in (parent, *parent.children(recursive=True))]
    return 1000 * float(sum(one.user + one.system for one in times))


def core_ms_of(pids: Mapping[str, int]) -> dict[str, float]:
    """The same of several, by name."""
    return {name: core_ms(pid) for name, pid in pids.items()}


def used_since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """What each process used in between; those that are in only one of them are left out."""
    return {name: now[name] - before[name] for name in before.keys() & now.keys()}
