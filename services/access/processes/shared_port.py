"""The port that the processes of a pod share: nobody else's, and the pod's for all its life.

With SO_REUSEPORT a stranger of the same user that listens on it would get part of our clients
without a word. So the port is first tried alone. It stays bound and never listens: the kernel gives
no connection to a socket that does not, and a port that was chosen by it stays ours while a process
is started again.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

WAIT_SECONDS: Final = 3.0
"""Processes of an earlier start are killed with their parent, and may just be dying."""
_POLL_SECONDS: Final = 0.05


@contextmanager
def shared_port(listen: str, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[str]:
    """Hold host:port; gives it with the port that was taken. Raises OSError when somebody else
    listens there, or the address is not ours. Waits so long, and blocks: nothing else runs yet.
    """
    host, _, port = listen.rpartition(":")
    family, _, _, _, address = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    _wait_free(family, address, time.monotonic() + wait_seconds)
    with socket.socket(family) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
        yield f"{host}:{held.getsockname()[1]}"


def free_port() -> str:
    """A loopback host:port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _wait_free(family: int, address: tuple[object, ...], until: float) -> None:
    while True:
        with socket.socket(family) as alone:
            # Connections of an earlier start may linger in TIME_WAIT; who listens is found.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                alone.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
                    raise
            else:
                return
        time.sleep(_POLL_SECONDS)
