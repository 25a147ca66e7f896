"""A namespace on an API server with a faulty proxy before it, and the adapters under test."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp

from services.drain.adapters.kubernetes_permissions import PERMISSIONS
from services.drain.adapters.open_kubernetes import open_kubernetes
from services.drain.adapters.watch_kubernetes import WatchPolicy
from services.drain.ports import Leadership, Platform
from tests.component.drain.faulty_proxy import FaultyProxy

Json = dict[str, Any]

_FOLDERS: Final = {
    "pods": "/api/v1",
    "nodes": "/api/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "poddisruptionbudgets": "/apis/policy/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
}
QUICK = WatchPolicy(
    silence_seconds=20, backoff_seconds=(0.02, 0.05), patience_seconds=20, brief_seconds=0.05
)
"""Waits that a test can afford."""
_WAIT_SECONDS: Final = 20.0


@dataclass(frozen=True)
class ApiServer:
    """Where tests arrange things, with an administrator's token, and where the controller has
    exactly its PERMISSIONS. Tokens are empty on the emulator, which asks for none."""

    url: str
    admin_token: str = ""
    controller_token: str = ""
    is_real: bool = False


@dataclass
class KubeWorld:
    server: ApiServer
    proxy: FaultyProxy
    namespace: str
    stack: AsyncExitStack
    folder: Path
    session: aiohttp.ClientSession
    _nodes: list[str] = field(default_factory=list)

    async def open(
        self,
        *,
        holder: str = "drain-0/a",
        lease_seconds: float = 15,
        timeout_seconds: float = 5.0,
        policy: WatchPolicy = QUICK,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> tuple[Platform, Leadership]:
        """The adapters, through the proxy."""
        return await open_kubernetes(
            self.stack,
            namespace=self.namespace,
            lease_name="whimbrel-drain",
            holder=holder,
            lease_seconds=lease_seconds,
            kubeconfig=self._kubeconfig() if self.server.is_real else None,
            api_url=self.proxy.url,
            timeout_seconds=timeout_seconds,
            policy=policy,
            clock=clock,
            wall_clock=wall_clock,
        )

    async def add(self, resource: str, item: Json, status: Json | None = None) -> Json:
        """Creates it, then gives it its status."""
        if resource == "nodes":
            self._nodes.append(item["metadata"]["name"])
        made = await self.request("POST", resource, "", item)
        if status is not None:
            made = await self.change(f"{resource}/status", item["metadata"]["name"], status)
        return made

    async def change(self, resource: str, name: str, patch: Json) -> Json:
        """Merges into it. `resource` may have a subresource with it."""
        return await self.request("PATCH", resource, name, patch)

    async def get(self, resource: str, name: str) -> Json:
        return await self.request("GET", resource, name)

    async def delete(self, resource: str, name: str, *, at_once: bool = False) -> None:
        await self.request("DELETE", resource, name, {"gracePeriodSeconds": 0} if at_once else {})

    async def request(
        self, method: str, resource: str, name: str, body: Json | None = None
    ) -> Json:
        """As the administrator, past the proxy."""
        resource, _, subresource = resource.partition("/")
        where = "" if resource == "nodes" else f"/namespaces/{self.namespace}"
        path = f"{_FOLDERS[resource]}{where}/{resource}"
        path += "".join(f"/{part}" for part in (name, subresource) if part)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        async with self.session.request(
            method, self.server.url + path, json=body, headers={"Content-Type": kind}
        ) as answer:
            read: Json = await answer.json()
            assert answer.status < 300, f"{method} {path}: {answer.status} {read.get('message')}"
            return read

    def _kubeconfig(self) -> Path:
        path = self.folder / "kubeconfig"
        named = {
            "clusters": ("cluster", {"server": self.proxy.url}),
            "users": ("user", {"token": self.server.controller_token}),
            "contexts": ("context", {"cluster": "one", "user": "one"}),
        }
        config = {key: [{"name": "one", what: of}] for key, (what, of) in named.items()}
        path.write_text(json.dumps({"current-context": "one", **config}))
        return path

    async def close(self) -> None:
        for name in self._nodes:
            await self.delete("nodes", name)
        allowed = {
            (each.api_group, each.resource, verb) for each in PERMISSIONS for verb in each.verbs
        }
        asked = {
            (each.asked.api_group, each.asked.rbac_resource, each.asked.verb)
            for each in self.proxy.log
        }
        assert asked <= allowed, f"calls that are not among the permissions: {asked - allowed}"


@asynccontextmanager
async def kube_world(server: ApiServer, folder: Path) -> AsyncIterator[KubeWorld]:
    """A fresh namespace on it, in which the controller may do what it lists and no more."""
    namespace = f"test-{uuid4().hex[:10]}"
    headers = {"Authorization": f"Bearer {server.admin_token}"} if server.admin_token else {}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers=headers,
                connector=aiohttp.TCPConnector(ssl=False),
                timeout=aiohttp.ClientTimeout(total=_WAIT_SECONDS),
            )
        )
        proxy = await stack.enter_async_context(FaultyProxy(server.url).running())
        opened = await stack.enter_async_context(AsyncExitStack())  # the adapters close first
        world = KubeWorld(server, proxy, namespace, opened, folder, session)
        if server.is_real:
            await _grant(world)
        yield world
        await world.close()


async def _grant(world: KubeWorld) -> None:
    """Roles made of PERMISSIONS for the controller's token, in this namespace."""
    base = world.server.url
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    own = f"{rbac}/namespaces/{world.namespace}"
    await _post(world, f"{base}/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    for is_namespaced, kind, path in ((True, "Role", own), (False, "ClusterRole", rbac)):
        rules = [
            {"apiGroups": [each.api_group], "resources": [each.resource], "verbs": list(each.verbs)}
            for each in PERMISSIONS
            if each.is_namespaced == is_namespaced
        ]
        name = f"drain-{world.namespace}"
        await _post(
            world, f"{base}{path}/{kind.lower()}s", {"metadata": {"name": name}, "rules": rules}
        )
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "controller"}
            ],
        }
        await _post(world, f"{base}{path}/{kind.lower()}bindings", binding)


async def _post(world: KubeWorld, url: str, body: Json) -> None:
    async with world.session.post(url, json=body) as answer:
        assert answer.status < 300, f"{url}: {answer.status} {await answer.text()}"
