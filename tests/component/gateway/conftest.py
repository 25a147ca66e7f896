from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.gateway.gateway_world import GatewayWorld, gateway
from tests.component.gateway.media_world import MediaWorld, media_world
from tests.component.gateway.people_world import PeopleWorld, people_world


@pytest.fixture
async def world(tmp_path: Path, mongo_url: str) -> AsyncIterator[GatewayWorld]:
    """A gateway with cheap passwords and without limits."""
    async with gateway(tmp_path, mongo_url) as made:
        yield made


@pytest.fixture
async def people(tmp_path: Path, mongo_url: str, redis_url: str) -> AsyncIterator[PeopleWorld]:
    """A gateway before a Logic, and people with accounts."""
    async with people_world(tmp_path, mongo_url, redis_url) as made:
        yield made


@pytest.fixture
async def media(tmp_path: Path, mongo_url: str) -> AsyncIterator[MediaWorld]:
    """A gateway with media in a folder."""
    async with media_world(tmp_path, mongo_url) as made:
        yield made
