"""A kubelet that runs local processes: what a node does, without containers.

For every pod that is bound to its node it runs the first container's command with the literal
values of its environment, as the child of this process, and holds to a kubelet's order:

    running          started again when it ends; ready when it answers gRPC health with SERVING
    being deleted    preStop (exec) first, then SIGTERM, SIGKILL when the grace is over, counted
                     from the deletion; readiness is still probed; then the object is deleted

It is a test's tool: it polls, and knows neither volumes nor other probes. In place of an address
of its own each pod gets a free port, as WHIMBREL_POD__LISTEN, and its name as WHIMBREL_POD__ID.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.component.drain import kube_objects as make
from tests.component.drain.envtest import free_port
from tests.component.drain.kube_world import Json, KubeWorld
from tests.waiting import Every
from whimbrel.local.children import Child, spawn
from whimbrel.local.cluster import is_serving
from whimbrel.local.pod_settings import environment_with

_POLL_SECONDS = 0.2


class ProcessKubelet:
    """One node of a world."""

    def __init__(self, world: KubeWorld, node: str, folder: Path) -> None:
        self.addresses: dict[str, str] = {}
        """host:port of each pod that it runs or has run."""
        self.ends: dict[str, int] = {}
        """With which status each deleted pod's process has ended; negative is the signal."""
        self._world = world
        self._node = node
        self._folder = folder
        self._pods: dict[str, asyncio.Task[None]] = {}
        self._deleted: dict[str, asyncio.Future[float]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ProcessKubelet]:
        """A ready node with room for everything; all processes end with the block."""
        await self._world.add("nodes", make.node(self._node), make.room())
        # The taint of a new node, which the node controller would take away.
        await self._world.change("nodes", self._node, {"spec": {"taints": None}})
        sync = asyncio.create_task(self._sync())
        try:
            yield self
        finally:
            sync.cancel()
            for task in self._pods.values():
                task.cancel()
            await asyncio.gather(sync, *self._pods.values(), return_exceptions=True)

    async def _sync(self) -> None:
        async for _ in Every(_POLL_SECONDS):
            answer = await self._world.request("GET", "pods", "")
            for pod in answer["items"]:
                name = pod["metadata"]["name"]
                if pod["spec"].get("nodeName") != self._node:
                    continue
                if name not in self._pods:
                    self._deleted[name] = asyncio.get_running_loop().create_future()
                    self._pods[name] = asyncio.create_task(self._run(pod))
                killed_at = pod["metadata"].get("deletionTimestamp")
                if killed_at is not None and not self._deleted[name].done():
                    left = datetime.fromisoformat(killed_at) - datetime.now(UTC)
                    self._deleted[name].set_result(max(0.0, left.total_seconds()))

    async def _run(self, pod: Json) -> None:
        """A pod's whole life."""
        name = pod["metadata"]["name"]
        container = pod["spec"]["containers"][0]
        address = self.addresses[name] = f"127.0.0.1:{free_port()}"
        values = {each["name"]: each["value"] for each in container.get("env") or ()}
        values |= {"WHIMBREL_POD__ID": name, "WHIMBREL_POD__LISTEN": address}
        probe = asyncio.create_task(self._probe(name, address))
        child: Child | None = None
        try:
            deleted = self._deleted[name]
            while not deleted.done():
                child = await self._spawn(name, container["command"], values)
                ended = asyncio.create_task(child.wait())
                await asyncio.wait((ended, deleted), return_when=asyncio.FIRST_COMPLETED)
            assert child is not None
            self.ends[name] = await self._stop(child, container, values, deleted.result())
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
            await self._world.delete("pods", name, at_once=True)
        finally:
            probe.cancel()
            if child is not None:
                child.send(signal.SIGKILL)
                await child.wait()

    async def _stop(
        self, child: Child, container: Json, values: dict[str, str], grace_seconds: float
    ) -> int:
        loop = asyncio.get_running_loop()
        kill_at = loop.time() + grace_seconds
        hook: dict[str, Any] = (container.get("lifecycle") or {}).get("preStop") or {}
        if hook:
            command = hook["exec"]["command"]
            pre_stop = await self._spawn(f"{child.name}-pre-stop", command, values)
            try:
                async with asyncio.timeout_at(kill_at):
                    await pre_stop.wait()
            except TimeoutError:
                await pre_stop.stop(0)
        return await child.stop(max(0.0, kill_at - loop.time()))

    async def _spawn(self, name: str, command: list[str], values: dict[str, str]) -> Child:
        log = self._folder / f"{name}.log"
        return await spawn(name, command, log=log, environment=environment_with(values))

    async def _probe(self, name: str, address: str) -> None:
        shown: bool | None = None
        async for _ in Every(_POLL_SECONDS):
            is_ready = await is_serving(address)
            if is_ready != shown:
                await self._world.change("pods/status", name, make.ready(is_ready))
                shown = is_ready
