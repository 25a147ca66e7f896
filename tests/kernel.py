"""What the kernel under the tests permits this process."""

from __future__ import annotations

import socket

import pytest

from whimbrel.runtime.listener import Listener


def _may_filter() -> bool:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])
        listener.keep_out(["192.0.2.7/32"])
        return listener.is_guarded


needs_filter = pytest.mark.skipif(
    not _may_filter(), reason="a filter on a socket needs Linux, and CAP_NET_ADMIN on recent ones"
)
