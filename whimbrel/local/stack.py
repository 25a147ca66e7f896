"""The whole of Whimbrel on one machine: what `whimbrel up`, tests, demo and bench run.

It starts the real services as processes, against a real mongod and redis-server. It must know
nothing of messages: a test that wants to look into the stores gets their URLs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

from whimbrel.client.transport import Tls
from whimbrel.local.children import Identity, end_processes
from whimbrel.local.cluster import wait_registered
from whimbrel.local.errors import StackError
from whimbrel.local.keeper import Keeper
from whimbrel.local.links import Links
from whimbrel.local.parts import FIRST_REVISION, ROLES, Plan, StackSpec
from whimbrel.local.platform import LocalPlatform
from whimbrel.local.platform_service import serving
from whimbrel.local.ports import Ports
from whimbrel.local.registry_watch import RegistryWatch
from whimbrel.local.state import DataFolder, PartRecord, StackRecord, boot_id
from whimbrel.local.supervisor import Supervisor
from whimbrel.runtime.tls import Dial
from whimbrel.runtime.tokens import sign_token

__all__ = ["Stack", "StackSpec"]

Progress = Callable[[str], None]
_REGISTERED_SECONDS = 20.0
_LEFTOVERS_SECONDS = 10.0
_TOKEN_SECONDS = 24 * 3600.0


def _silent(_: str) -> None:
    pass


class Stack:
    """A running stack. Made by `Stack.start`; its parts are restarted while it lives."""

    def __init__(self, spec: StackSpec, folder: DataFolder, plan: Plan, progress: Progress) -> None:
        self.spec = spec
        self.folder = folder
        self._plan = plan
        self._progress = progress
        self._supervisor = Supervisor(
            restart=spec.restart, changed=self._part_changed, report=progress
        )
        self.registry = RegistryWatch(plan.router_addresses, self._registry_changed, plan.tls.dial)
        self.platform = LocalPlatform(
            self._supervisor,
            plan,
            takes_work=self.registry.takes_work,
            pods_changed=self._pods_changed,
            report=progress,
        )
        """What keeps as many pods of each role as are wanted."""
        self.record = StackRecord(
            supervisor=Identity.of(os.getpid()),
            boot_id=boot_id(),
            state="starting",
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            endpoints=list(plan.endpoints.values()),
            router_addresses=plan.router_addresses,
            mongo_url=plan.mongo_url,
            redis_url=plan.redis_url,
            gateway=plan.gateway_url,
            ca_file=plan.tls.ca_file,
            traces=plan.collector.query_url,
        )

    @classmethod
    @asynccontextmanager
    async def start(
        cls, spec: StackSpec | None = None, *, progress: Progress = _silent
    ) -> AsyncIterator[Stack]:
        """Start all of it and wait until every pod is healthy and registered.

        `progress` gets a line for each step, and for each part that ends unasked. Raises
        StackError; whatever was started by then has been ended.
        """
        spec = spec or StackSpec()
        with ExitStack() as held:
            path = spec.data or Path(
                held.enter_context(
                    tempfile.TemporaryDirectory(prefix="whimbrel-", ignore_cleanup_errors=True)
                )
            )
            folder = DataFolder(path.absolute())
            held.enter_context(folder.locked())
            await _end_leftovers(folder)
            ports = held.enter_context(closing(Ports()))
            plan = Plan(spec, folder, ports)
            folder.write_ports(plan.chosen)
            stack = cls(spec, folder, plan, progress)
            try:
                await plan.links.open()
                async with serving(
                    stack.platform,
                    plan.platform_address,
                    credentials=plan.tls.server_credentials(),
                    admit=plan.tls.admit(),
                ):
                    try:
                        await stack._start_all()
                        async with stack._platform_running():
                            yield stack
                    finally:
                        # What is stopped must reach the others for its goodbye, and a controller
                        # the platform for giving its lease back.
                        plan.links.heal()
                        await stack._stop_all()
            finally:
                await plan.links.close()

    @property
    def endpoints(self) -> list[str]:
        """host:port where clients reach each Access pod, access-0 first."""
        return list(self.record.endpoints)

    @property
    def router_addresses(self) -> str:
        """host:port[,host:port] of the Routers."""
        return self.record.router_addresses

    @property
    def mongo_url(self) -> str:
        return self.record.mongo_url

    @property
    def redis_url(self) -> str:
        return self.record.redis_url

    @property
    def gateway_url(self) -> str:
        """http(s):// URL of the first gateway; empty when the stack has none."""
        return self.record.gateway

    @property
    def tls(self) -> bool | Tls:
        """How clients have to connect: for `connect(tls=…)`."""
        return Tls(ca_file=self.record.ca_file) if self.record.ca_file else False

    @property
    def dial(self) -> Dial:
        """Opens a channel to a pod of it, as pods do."""
        return self._plan.tls.dial

    def renew_certificate(self, name: str) -> None:
        """Give a pod another certificate; it shows it to whoever connects a second later. For
        stacks with TLS."""
        self._plan.tls.environment(name)

    @property
    def traces_url(self) -> str:
        """http:// URL where traces are asked for, as Jaeger is; empty without `spec.trace`."""
        return self.record.traces

    @property
    def otlp_url(self) -> str | None:
        """http:// URL of the collector that its services send traces to, if any."""
        return self._plan.collector.otlp_url

    @property
    def pods(self) -> list[str]:
        """The names of the services' pods ("access-0", …), not of the stores."""
        others = {*self.stores, *(part.name for part in self._plan.collector.parts)}
        return [name for name in self._supervisor.keepers if name not in others]

    @property
    def stores(self) -> list[str]:
        """The stores that this stack runs: "mongod" (of three: "mongod-0", …) and "redis"."""
        return [part.name for part in self._plan.stores]

    @property
    def links(self) -> Links:
        """The proxies between its parts; none unless `spec.proxied`."""
        return self._plan.links

    def endpoint_of(self, name: str) -> str:
        """host:port where one part listens, behind its proxy if it has one; it keeps it over
        restarts."""
        return self._supervisor.keeper(name).part.address

    def pid(self, name: str) -> int:
        """The pid of a pod, or of "mongod" or "redis", now."""
        return self._supervisor.keeper(name).identity.pid

    def server_pids(self) -> dict[str, int]:
        """Every process of the stack that runs now, the stores included: name to pid."""
        return {
            name: keeper.identity.pid
            for name, keeper in self._supervisor.keepers.items()
            if keeper.identity.is_alive
        }

    def starts(self, name: str) -> int:
        """How often this part was started so far."""
        return self._supervisor.keeper(name).starts

    def token(self, user_id: str, ttl_seconds: float = _TOKEN_SECONDS) -> str:
        """A token of this user, good for this stack."""
        return sign_token(self.folder.signing_key(), user_id, ttl_seconds, now=time.time())

    async def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a pod, or to "mongod" or "redis".

        After SIGKILL it returns once the process is gone; the stack starts it again unless
        `spec.restart` is False. Raises StackError when it is not running.
        """
        await self._supervisor.keeper(name).kill(number)

    async def revive(self, name: str) -> None:
        """Start a part again that has ended, in a stack that does not do so itself."""
        await self._supervisor.keeper(name).start()

    async def scale(self, role: str, replicas: int, timeout_seconds: float = 120.0) -> None:
        """Have so many pods of a role; returns when it is so."""
        self.platform.scale(role, replicas)
        await self._wait_settled(role, timeout_seconds)

    async def restart_role(
        self, role: str, *, surge: int = 1, timeout_seconds: float = 300.0
    ) -> str:
        """Replace all pods of a role by new ones; returns their revision when it is done."""
        revision = self.platform.restart(role, surge)
        await self._wait_settled(role, timeout_seconds)
        return revision

    async def _wait_settled(self, role: str, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.platform.wait_settled(role)
        except TimeoutError:
            pods = ", ".join(
                f"{pod.pod_id} ({pod.revision}, {self._supervisor.keeper(pod.pod_id).state}"
                f"{'' if pod.ready else ', not ready'})"
                for pod in self.platform.view().pods
                if pod.role == role
            )
            raise StackError(
                f"the {role} pods are not as wanted after {timeout_seconds:.0f} s: {pods}"
            ) from None

    @asynccontextmanager
    async def _platform_running(self) -> AsyncIterator[None]:
        loops = [
            asyncio.create_task(self.registry.run(), name="registry watch"),
            asyncio.create_task(self.platform.run(), name="platform"),
        ]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            outcomes = await asyncio.gather(*loops, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    self._progress(f"a loop of the platform has failed: {outcome!r}")

    def _registry_changed(self) -> None:
        self.platform.stir()

    def _pods_changed(self) -> None:
        keepers = self._supervisor.keepers
        self._plan.links.lead_clients(
            {
                name: keeper.part.address
                for name, keeper in keepers.items()
                if keeper.part.role == "access" and not keeper.is_stopping
            }
        )
        self.record.endpoints = [
            endpoint
            for name, endpoint in self._plan.endpoints.items()
            if name in keepers and not keepers[name].is_stopping
        ]
        for name in set(self.record.parts) - set(keepers):
            del self.record.parts[name]
        self._write()

    async def wait_healthy(self, timeout_seconds: float = 30.0, *names: str) -> None:
        """Until every part, or each of these, is healthy (again); raises StackError that names
        those that are not."""
        await self._supervisor.wait_healthy(timeout_seconds, *names)

    async def _start_all(self) -> None:
        self._write()
        for step in self._plan.steps():
            names = [part.name for layer in step for part in layer]
            if names:
                self._progress(f"starting {', '.join(names)}")
                await self._supervisor.start(*step)
        registered = {name for name in self.pods if not name.startswith("router-")}
        await wait_registered(
            self.router_addresses,
            registered,
            dial=self.dial,
            timeout_seconds=_REGISTERED_SECONDS,
        )
        for role in ROLES:
            keepers = [k for k in self._supervisor.keepers.values() if k.part.role == role]
            self.platform.adopt(role, keepers, FIRST_REVISION)
        self.record.state = "healthy"
        self._write()

    async def _stop_all(self) -> None:
        self.record.state = "stopping"
        self._write()
        await self._supervisor.stop()
        self.folder.forget_record()

    def _part_changed(self, keeper: Keeper) -> None:
        part = keeper.part
        self.record.parts[part.name] = PartRecord(
            role=part.role,
            address=part.address,
            log=str(part.log),
            state=str(keeper.state),
            pid=keeper.identity.pid,
            started=keeper.identity.started,
        )
        self._write()
        self.platform.stir()

    def _write(self) -> None:
        self.folder.write_record(self.record)


async def _end_leftovers(folder: DataFolder) -> None:
    """A supervisor that was killed leaves children that are just dying: mongod must be gone
    before the next one opens its files."""
    record = folder.record()
    if record is None:
        return
    left = await end_processes(record.processes(), grace_seconds=_LEFTOVERS_SECONDS)
    if left:
        pids = ", ".join(str(one.pid) for one in left)
        raise StackError(f"processes of an earlier stack do not end: {pids}")
