"""An APNs server that speaks HTTP/2 over TLS and answers as Apple documents it, and providers."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.push.adapters.apns_token import ApnsToken
from services.push.adapters.provider_apns import ApnsProvider
from whimbrel.testing.push_providers.apns_server import ApnsServer, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate, make_key

TOPIC = "org.example.app"
PHONE = "a1" * 32


class World:
    """A server, a provider before it, and a clock for its tokens."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.certificate = make_certificate(folder)
        self.key_file = folder / "key.p8"
        self.server = ApnsServer(make_key(self.key_file), "ABCDEFGHIJ", "TEAM123456", TOPIC)
        self.now = time.time()

    async def serve(self) -> None:
        tls = self.certificate.server_context(["h2"])
        await self._stack.enter_async_context(running_apns(self.server, tls))

    def provider(
        self, *, port: int | None = None, topic: str = TOPIC, key_id: str = "ABCDEFGHIJ"
    ) -> ApnsProvider:
        tls = ssl.create_default_context(cafile=str(self.certificate.certificate))
        tls.set_alpn_protocols(["h2"])
        token = ApnsToken(
            self.key_file.read_text(), key_id, "TEAM123456", wall_clock=lambda: self.now
        )
        provider = ApnsProvider("127.0.0.1", port or self.server.port, topic, lambda: token, tls)
        self._stack.push_async_callback(provider.close)
        return provider


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = World(tmp_path, stack)
        await made.serve()
        yield made
