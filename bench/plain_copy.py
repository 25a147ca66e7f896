"""A plain copy over HTTP by the server library of the gateway: what media are measured against.

No tokens, no offsets, no ranges. PUT writes the body into a file as it comes and syncs it once,
GET sends the file. Says its address on the first line; ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route


def make_app(path: Path) -> Starlette:
    """One file that can be put and got."""

    async def put(request: Request) -> Response:
        with path.open("wb") as file:
            async for piece in request.stream():
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        return Response(status_code=204)

    async def get(_: Request) -> Response:
        return FileResponse(path)

    return Starlette(
        routes=[
            Route("/copy", put, methods=["PUT"]),
            Route("/copy", get, methods=["GET"]),
        ]
    )


async def _serve(path: Path) -> None:
    config = uvicorn.Config(
        make_app(path), host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    sys.stdout.write(f"{host}:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
