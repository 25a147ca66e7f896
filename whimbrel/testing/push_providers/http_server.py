"""What the providers of HTTP/1.1 share on this machine: a server that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class HttpReply:
    """How one request is answered."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    ends_connection: bool = False


Answer = Callable[[web.Request, bytes], Awaitable[HttpReply]]


@asynccontextmanager
async def running_http(answer: Answer) -> AsyncIterator[str]:
    """Serves every path on 127.0.0.1 until the block ends; its URL."""
    ended = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        reply = await answer(request, await request.read())
        if reply.hangs:
            await ended.wait()
        if reply.ends_connection and request.transport is not None:
            request.transport.abort()
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        ended.set()
        await runner.cleanup()


@asynccontextmanager
async def running_nonsense(said: bytes) -> AsyncIterator[str]:
    """A server that says this to everybody, whatever they speak; its URL."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
