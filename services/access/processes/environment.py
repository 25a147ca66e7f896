"""What the parent tells each of its processes: the pod's own settings, with a name of its own and
its part of what the pod may hold. No I/O.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from services.access.settings import AccessSettings

_MIB: Final = 1024 * 1024


def process_name(pod_id: str, number: int) -> str:
    """How a process is called in the registry, in routes and in logs; the first is number 1."""
    return f"{pod_id}.{number}"


def process_socket(settings: AccessSettings, number: int) -> Path | None:
    """Where the process hears of the preStop hook, beside the pod's own socket."""
    socket = settings.drain.socket
    return None if socket is None else socket.with_name(f"{socket.name}.{number}")


def process_environment(
    settings: AccessSettings,
    number: int,
    *,
    incarnation: str,
    listen: str,
    memory_bytes: int,
    metrics_listen: str = "",
) -> dict[str, str]:
    """The variables that the process has beside those of its pod.

    `listen` is the pod's, with the port that was taken. `memory_bytes`: what all processes together
    may have before they let nobody in; 0: any. `metrics_listen`: where the parent asks this one for
    its metrics; empty when nobody asks for the pod's.
    """
    count = settings.access.processes
    drain, shell = settings.drain, settings.shell
    told = {
        "POD__ID": process_name(settings.pod.id, number),
        "POD__LISTEN": listen,
        "ACCESS__PROCESS_OF": settings.pod.id,
        "ACCESS__INCARNATION": incarnation,
        # A budget of less than one a second is none.
        "DRAIN__ARRIVALS_PER_SECOND": f"{max(1.0, drain.arrivals_per_second / count):g}",
        "DRAIN__MAX_SESSIONS": _part(drain.max_sessions, count),
        "SHELL__STREAMS": _part(shell.streams, count),
        "SHELL__UNNAMED_STREAMS": _part(shell.unnamed_streams, count),
        "SHELL__MEMORY_MIB": _part(memory_bytes // _MIB, count),
    }
    socket = process_socket(settings, number)
    if socket is not None:
        told["DRAIN__SOCKET"] = str(socket)
    if metrics_listen:
        told["METRICS__LISTEN"] = metrics_listen
    return {f"WHIMBREL_{name}": value for name, value in told.items()}


def _part(whole: int, count: int) -> str:
    """Of a limit, rounded up: 0 would be no limit at all."""
    return str(math.ceil(whole / count))
