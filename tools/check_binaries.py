"""Says whether the embedded mongod and redis-server start here, and if not, what to install.

Run by `make install`. It never fails: everything that needs no server works without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from whimbrel.local.binaries import check_starts, find_mongod, find_redis_server
from whimbrel.local.errors import StackError


def check(find: Callable[[], Path]) -> str:
    """The version, or the sentence that says what is missing."""
    try:
        return asyncio.run(check_starts(find()))
    except StackError as error:
        return f"WARNING: {error}"


def main() -> None:
    for find in (find_mongod, find_redis_server):
        print(check(find))


if __name__ == "__main__":
    main()
