"""Keeps a process from sharing its port by accident.

A server that lets the kernel keep somebody out shares its port with a socket of its own
(`listener`), and whoever permits that permits it to every process of the same user, which would
get some of the connects without a word. So look before you bind.
"""

from __future__ import annotations

import errno
import socket


def is_taken(address: str) -> bool:
    """Whether somebody listens at "host:port" already. Port 0 is not taken, nor is what is no
    address of this machine: who binds there is told by itself."""
    host, _, port = address.rpartition(":")
    if not int(port):
        return False
    try:
        for family, kind, _, _, name in socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind) as own:
                # Not that it be shared, but that connections which have just ended do not count.
                own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                own.bind(name)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
