"""A client of TLS that is not gRPC's: it says what a server shows, and which versions it speaks."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS
from whimbrel.runtime.tls_settings import TlsSettings


def context(ca_file: Path, caller: TlsSettings | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=ca_file)
    made.set_alpn_protocols(["h2"])
    # OpenSSL itself would not offer TLS 1.1 otherwise, and the test would pass for nothing.
    made.set_ciphers("ALL:@SECLEVEL=0")
    if caller is not None:
        assert caller.certificate is not None
        made.load_cert_chain(caller.certificate, caller.key)
    return made


async def shakes_hands(
    address: str,
    ca_file: Path,
    caller: TlsSettings | None = None,
    version: ssl.TLSVersion | None = None,
) -> bool:
    """Whether the other side speaks with it after the handshake, in this version alone."""
    made = context(ca_file, caller)
    if version is not None:
        made.minimum_version = made.maximum_version = version
    host, _, port = address.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=made, server_hostname="localhost"
        )
    except (ssl.SSLError, ConnectionError):
        return False
    try:
        # In TLS 1.3 a client learns afterwards that its certificate is not taken.
        async with asyncio.timeout(PATIENCE_SECONDS):
            return bool(await reader.read(1))
    except (ssl.SSLError, ConnectionError):
        return False
    finally:
        writer.close()


async def shown(address: str, ca_file: Path, caller: TlsSettings | None = None) -> bytes:
    """The certificate that a new connection is shown."""
    host, _, port = address.rpartition(":")
    made = context(ca_file, caller)
    _, writer = await asyncio.open_connection(
        host, int(port), ssl=made, server_hostname="localhost"
    )
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


async def speaks_1_1(ca_file: Path, tls: TlsSettings) -> bool:
    """Whether `shakes_hands` does, with a server that would."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lax.minimum_version = lax.maximum_version = ssl.TLSVersion.TLSv1_1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    assert tls.certificate is not None
    lax.load_cert_chain(tls.certificate, tls.key)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        await writer.drain()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=lax) as server:
        port = server.sockets[0].getsockname()[1]
        return await shakes_hands(f"127.0.0.1:{port}", ca_file, tls, ssl.TLSVersion.TLSv1_1)
