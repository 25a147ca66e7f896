"""A network that dies in the middle of an upload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

_PIECE_BYTES: Final = 16 * 1024


@asynccontextmanager
async def cutting_proxy(address: str, *, after_bytes: int) -> AsyncIterator[str]:
    """host:port of a network that dies once, after it has carried so many bytes to `address`
    (host:port); whoever connects later is served."""
    host, _, port = address.rpartition(":")
    left = after_bytes

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
            writer.write_eof()

    async def to_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
            if left > 0:
                left -= len(piece)
                if left <= 0:
                    raise ConnectionResetError("the network has died")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection(host, int(port))
        back = asyncio.create_task(carry(behind, writer))
        try:
            await to_server(reader, before)
        except ConnectionError:
            pass
        finally:
            before.close()
            writer.close()
            await back

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        name = server.sockets[0].getsockname()
        yield f"{name[0]}:{name[1]}"
