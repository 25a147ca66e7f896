"""An APNs in a process of its own, for `whimbrel bench push`: `python -m bench.push_provider`.

Its first line of input is a folder; it puts a certificate and a signing key there and says its
port. For each further line it says how many notifications it has taken, and when the last came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

from whimbrel.testing.push_providers.apns_server import OK, ApnsServer, Reply, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate, make_key

KEY_ID = "BENCHKEY01"
TEAM_ID = "BENCHTEAM1"
TOPIC = "org.example.bench"


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    folder = Path((await reader.readline()).decode().strip())
    certificate = make_certificate(folder)
    last = 0.0

    def taken(_token: str, _count: int) -> Reply:
        nonlocal last
        last = time.monotonic()
        return OK

    server = ApnsServer(make_key(folder / "key.p8"), KEY_ID, TEAM_ID, TOPIC, keeps=0)
    server.answer = taken
    async with running_apns(server, certificate.server_context(["h2"])):
        _say({"port": server.port})
        while await reader.readline():
            _say({"taken": server.taken, "last": last})


def _say(what: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
