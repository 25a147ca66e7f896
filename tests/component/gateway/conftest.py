from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.gateway.gateway_world import GatewayWorld, gateway


@pytest.fixture
async def world(tmp_path: Path, mongo_url: str) -> AsyncIterator[GatewayWorld]:
    """A gateway with cheap passwords and without limits."""
    async with gateway(tmp_path, mongo_url) as made:
        yield made
