"""One process of a stack: how it is started, how one sees that it works, where it is in its life.
Data only; what keeps it running is its keeper.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


class PartState(enum.StrEnum):
    """Where a part is in its life."""

    STARTING = "starting"
    HEALTHY = "healthy"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Part:
    """One process of the stack. `address` is host:port, the same for all its lives; `revision` is
    the version of its role's pods that it belongs to, empty for a store."""

    name: str
    role: str
    address: str
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    explain: Callable[[], str | None] = lambda: None
    """Why it ended at its start, as a sentence; None leaves it to the end of its log."""
    grace_seconds: float = 20.0
    """From SIGTERM to SIGKILL when the whole stack stops."""
    drain_seconds: float | None = None
    """The same when it alone is stopped, and has somewhere to move its clients to; None: no more
    than grace_seconds."""
    ready_seconds: float = 30.0
    revision: str = ""
