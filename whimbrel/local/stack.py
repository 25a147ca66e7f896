"""The whole of Whimbrel on one machine: what `whimbrel up`, tests, demo and bench run.

It starts the real services as processes, against a real mongod and redis-server. It must know
nothing of messages: a test that wants to look into the stores gets their URLs.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

from whimbrel.local.cluster import wait_registered
from whimbrel.local.keeper import Keeper
from whimbrel.local.parts import Plan
from whimbrel.local.platform import LocalPlatform
from whimbrel.local.platform_service import serving
from whimbrel.local.ports import Ports
from whimbrel.local.registry_watch import RegistryWatch
from whimbrel.local.stack_record import end_leftovers
from whimbrel.local.stack_spec import FIRST_REVISION, ROLES, StackSpec
from whimbrel.local.stack_view import StackView
from whimbrel.local.state import DataFolder
from whimbrel.local.supervisor import Supervisor

__all__ = ["Stack", "StackSpec"]

Progress = Callable[[str], None]
_REGISTERED_SECONDS = 20.0


def _silent(_: str) -> None:
    pass


class Stack(StackView):
    """A running stack. Made by `Stack.start`; its parts are restarted while it lives."""

    def __init__(self, spec: StackSpec, folder: DataFolder, plan: Plan, progress: Progress) -> None:
        supervisor = Supervisor(restart=spec.restart, changed=self._part_changed, report=progress)
        super().__init__(spec, folder, plan, supervisor)
        self._progress = progress
        self.registry = RegistryWatch(plan.router_addresses, self._registry_changed, plan.tls.dial)
        self.platform = LocalPlatform(
            supervisor,
            plan,
            takes_work=self.registry.takes_work,
            pods_changed=self._pods_changed,
            report=progress,
        )
        """What keeps as many pods of each role as are wanted."""

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
            await end_leftovers(folder)
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

    def renew_certificate(self, name: str) -> None:
        """Give a pod another certificate; it shows it to whoever connects a second later. For
        stacks with TLS."""
        self._plan.tls.environment(name)

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
        await self.platform.settle_within(role, timeout_seconds)

    async def restart_role(
        self, role: str, *, surge: int = 1, timeout_seconds: float = 300.0
    ) -> str:
        """Replace all pods of a role by new ones; returns their revision when it is done."""
        revision = self.platform.restart(role, surge)
        await self.platform.settle_within(role, timeout_seconds)
        return revision

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
        self._on_disk.pods_changed(keepers)

    async def wait_healthy(self, timeout_seconds: float = 30.0, *names: str) -> None:
        """Until every part, or each of these, is healthy (again); raises StackError that names
        those that are not."""
        await self._supervisor.wait_healthy(timeout_seconds, *names)

    async def _start_all(self) -> None:
        self._on_disk.become("starting")
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
        self._on_disk.become("healthy")

    async def _stop_all(self) -> None:
        self._on_disk.become("stopping")
        await self._supervisor.stop()
        self._on_disk.forget()

    def _part_changed(self, keeper: Keeper) -> None:
        self._on_disk.part_changed(keeper)
        self.platform.stir()
