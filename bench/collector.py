"""Keeps a load process's garbage collector out of what it measures.

A load process holds hundreds of clients, which in life have a process each: a full collection over
all of them stops it for half a second, and would be measured as latency of the servers.
"""

from __future__ import annotations

import gc


def rest() -> None:
    """What lives now is never looked at again, and no full collection comes. For processes that
    end soon after."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 1_000_000)
