"""A whole stack that asks and tells a host product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.host_product import HostProduct, running_host_product


@asynccontextmanager
async def hosted(
    folder: Path, *, access: int = 1, logic: int = 1, **settings: str
) -> AsyncIterator[tuple[Stack, HostProduct]]:
    """Both, until the block ends; `settings` of the group WEBHOOKS besides its own."""
    more = {f"WHIMBREL_WEBHOOKS__{name.upper()}": value for name, value in settings.items()}
    async with running_host_product(folder) as host:
        spec = StackSpec(access=access, logic=logic, gateway=0, environment=host.environment | more)
        async with Stack.start(spec) as stack:
            yield stack, host
