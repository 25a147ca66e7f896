"""Makes the shell of a pod and what keeps it informed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from services.access.adapters.ban_list_redis import RedisBanList
from services.access.settings import AccessSettings
from services.access.shell.bare_connections import BareConnections
from services.access.shell.flood_watch import FloodWatch
from services.access.shell.memory import MemoryWatermark
from services.access.shell.metrics import shell_metrics
from services.access.shell.shell import Shell
from services.access.shell.watch import ShellWatch
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.listener import Listener
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.socket_ends import socket_ends

_SAID_NOTHING_BYTES: Final = 256
"""A connection on which no more came has opened no stream: what a client of gRPC says before one is
a hundred bytes, and a Hello has a token. Of several processes each hears of the ends of all: with
one that dies its clients' connections end together, and must not count as connects that came to
nothing."""


async def open_shell(
    settings: AccessSettings, chassis: Chassis, *, clock: Callable[[], float]
) -> Shell:
    """A part of the pod's start. The port is bound already."""
    port = _bound_port(settings, chassis)
    ban_list = None
    if settings.redis is not None:
        ban_list = RedisBanList(await chassis.stack.enter_async_context(open_redis(settings.redis)))
    shell = Shell(settings.shell, clock=clock)
    memory = MemoryWatermark(settings.shell.memory_mib)
    own = settings.shell
    paced = own.frames_per_second or own.bytes_per_second
    floods = FloodWatch(port, own.stray_bytes_per_second if paced else 0, shell.read_bytes)
    listener = Listener(port)
    chassis.stack.callback(listener.close)
    bare = BareConnections(port, own.connects_per_second, lambda: shell.connects)
    watch = ShellWatch(shell, listener, ban_list, memory, floods, bare, clock=clock)
    shell.on_ban = watch.banned
    if settings.shell.connects_per_second:
        said_nothing = _SAID_NOTHING_BYTES if settings.shares_port else math.inf
        chassis.stack.enter_context(socket_ends(port, shell.connection_ended, said_nothing))
    chassis.spawn(watch.run(), "shell")
    chassis.on_drain(watch.close)
    chassis.metrics.add(lambda: shell_metrics(shell))
    return shell


def _bound_port(settings: AccessSettings, chassis: Chassis) -> int:
    """Where clients really arrive; what is advertised may be a load balancer's."""
    asked = settings.pod.listen.rpartition(":")[2]
    return int(asked) or int(chassis.address.rpartition(":")[2])
