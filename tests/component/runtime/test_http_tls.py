"""HTTP over TLS: the certificate is renewed while the port is open, and open connections stay."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.tls_client import shown
from tests.waiting import until
from whimbrel.local.certificates import Authority
from whimbrel.runtime.certificates import CertificateError
from whimbrel.runtime.http_server import HttpLimits, HttpServer, Receive, Scope, Send
from whimbrel.runtime.http_tls import HttpTls
from whimbrel.runtime.tls import files_of
from whimbrel.runtime.tls_settings import CertificateSettings

LIMITS = HttpLimits(head_seconds=5, idle_seconds=30, max_connections=10, grace_seconds=1)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


def own_only(authority: Authority) -> CertificateSettings:
    issued = authority.issue("gateway")
    return CertificateSettings(certificate=issued.certificate, key=issued.key)


@asynccontextmanager
async def served(settings: CertificateSettings) -> AsyncIterator[str]:
    files = files_of(settings)
    assert files is not None
    server = HttpServer(app, "127.0.0.1:0", LIMITS, HttpTls(files))
    running = asyncio.create_task(server.run())
    try:
        yield server.address
    finally:
        await server.stop()
        await running


async def test_a_renewed_certificate_is_shown_and_open_connections_stay(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=authority.ca_file)
    async with (
        served(own_only(authority)) as address,
        httpx.AsyncClient(base_url=f"https://{address}", verify=trust, trust_env=False) as client,
    ):
        assert (await client.get("/")).text == "https"
        before = await shown(address, authority.ca_file)
        own_only(authority)

        async def is_another() -> bool:
            return await shown(address, authority.ca_file) != before

        await until(is_another)
        assert (await client.get("/")).text == "https"


async def test_whoever_speaks_no_tls_gets_nothing(tmp_path: Path) -> None:
    async with served(own_only(Authority(tmp_path))) as address, httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://{address}/")


def test_files_that_do_not_fit_are_refused_at_the_start(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, other = own_only(authority), authority.issue("other")
    with pytest.raises(CertificateError, match="is not the key"):
        files_of(CertificateSettings(certificate=own.certificate, key=other.key))
