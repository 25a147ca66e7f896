"""What a Router was asked, and how long its directory took: for the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from whimbrel.runtime.histogram import Histogram

REQUESTS: Final = ("attach", "assert", "detach", "locate")


class RouterLoad:
    """Sums since the start, by the kind of request."""

    def __init__(self) -> None:
        self.items = dict.fromkeys(REQUESTS, 0)
        """Sessions, or users, that requests were about."""
        self.failures = dict.fromkeys(REQUESTS, 0)
        """Requests that the directory did not answer."""
        self.seconds = {request: Histogram() for request in REQUESTS}

    @contextmanager
    def asked(self, request: str, items: int) -> Iterator[None]:
        """Around one request."""
        clock = asyncio.get_running_loop().time
        began = clock()
        self.items[request] += items
        try:
            yield
        except BaseException:
            self.failures[request] += 1
            raise
        finally:
            self.seconds[request].observe(clock() - began)
