"""The two servers that the Kubernetes adapters' suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.component.drain.envtest import missing_assets, real_api_server
from tests.component.drain.kube_emulator.server import KubeEmulator
from tests.component.drain.kube_world import ApiServer, KubeWorld, kube_world


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A kube-apiserver for the whole run; tests take a namespace each."""
    if reason := missing_assets():
        pytest.skip(reason)
    with real_api_server(tmp_path_factory.mktemp("kube-apiserver")) as server:
        yield server


@pytest.fixture
async def emulator() -> AsyncIterator[KubeEmulator]:
    """An emulator of its own for each test."""
    async with KubeEmulator(bookmark_seconds=0.05).running() as running:
        yield running


@pytest.fixture(params=["emulator", "kube-apiserver"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KubeWorld]:
    """On both servers."""
    async with AsyncExitStack() as stack:
        if request.param == "emulator":
            emulator = await stack.enter_async_context(KubeEmulator().running())
            server = ApiServer(emulator.url)
        else:
            server = request.getfixturevalue("real_server")
        yield await stack.enter_async_context(kube_world(server, tmp_path))


@pytest.fixture
async def emulated(emulator: KubeEmulator, tmp_path: Path) -> AsyncIterator[KubeWorld]:
    """On the emulator only: for what a real server does once a minute, or cannot be told to."""
    async with kube_world(ApiServer(emulator.url), tmp_path) as opened:
        yield opened
