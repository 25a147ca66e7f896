"""What stands around a deployment in the story: Apple's push service and the host product, on
this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from whimbrel.testing.host_product import HostProduct, running_host_product
from whimbrel.testing.push_providers.apns_server import ApnsServer, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate, make_key


class Surroundings(NamedTuple):
    """Both, and what a stack has to be told so that it finds them."""

    apns: ApnsServer
    host: HostProduct
    environment: dict[str, str]
    """WHIMBREL_ settings of every service."""
    push_environment: dict[str, str]
    """Those of push alone."""


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[Surroundings]:
    """They serve until the block ends; `folder` gets their keys."""
    certificate = make_certificate(folder)
    key = folder / "apns-key.p8"
    apns = ApnsServer(make_key(key), "ABCDEFGHIJ", "TEAM123456", "org.example.app")
    async with (
        running_apns(apns, certificate.server_context(["h2"])),
        running_host_product(folder) as host,
    ):
        push_environment = {
            "WHIMBREL_APNS__KEY_FILE": str(key),
            "WHIMBREL_APNS__KEY_ID": apns.key_id,
            "WHIMBREL_APNS__TEAM_ID": apns.team_id,
            "WHIMBREL_APNS__TOPIC": apns.topic,
            "WHIMBREL_APNS__HOST": "127.0.0.1",
            "WHIMBREL_APNS__PORT": str(apns.port),
            "WHIMBREL_APNS__CA_FILE": str(certificate.certificate),
        }
        yield Surroundings(apns, host, host.environment, push_environment)
