"""Two Access pods around one Router, whose directory is in memory, and a Logic that carries
notices between pods only if it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from services.access.bootstrap import SERVICE
from services.access.settings import AccessSettings, DeviceSettings, DrainSettings, StreamSettings
from services.router.pod_feed import PodFeed
from services.router.servicer import RouterServicer
from tests.component.access.access_world import SECRET, ScriptedClient, served
from tests.component.access.fake_logic import FakeLogic
from tests.component.access.notebook import PATIENCE_SECONDS
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings import PodSettings, RouterTarget
from whimbrel.testing.memory_directory import MemoryDirectory
from whimbrel.testing.servers import running_service


class SlowDirectory(MemoryDirectory):
    """Answers of attaches can be held back after they have taken effect, and kicks forgotten."""

    def __init__(self) -> None:
        super().__init__(lambda: round(time.time() * 1000))
        self.answers = asyncio.Event()
        self.answers.set()
        self.attached: list[router_pb2.Session] = []
        self.forgets_kicks = False

    async def attach(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Attachment]:
        attachments = await super().attach(sessions)
        self.attached += sessions
        if self.forgets_kicks:
            for devices in self._routes.values():
                for device in [name for name, route in devices.items() if route.is_kicked]:
                    del devices[device]
        await self.answers.wait()
        return attachments

    async def devices(self, user: str = "alice") -> set[str]:
        """Which devices of the user have a route."""
        (located,) = await self.locate([user])
        return {route.device_id for route in located.routes}


class CarryingLogic(FakeLogic):
    """Passes notices on to every pod (those that they do not concern ignore them)."""

    def __init__(self, *, carries: bool) -> None:
        super().__init__()
        self.carries = carries
        self.kicked: list[logic_pb2.Kicked] = []

    def _answer_sends(self, request: logic_pb2.LinkRequest, answer: logic_pb2.LinkResponse) -> None:
        self.kicked += request.kicked
        if self.carries and (request.kicked or request.superseded):
            self.say(logic_pb2.LinkResponse(kicked=request.kicked, superseded=request.superseded))
        super()._answer_sends(request, answer)


class DeviceWorld:
    """The pods "access-0" and "access-1", and what is around them."""

    def __init__(
        self, directory: SlowDirectory, logic: CarryingLogic, stack: AsyncExitStack
    ) -> None:
        self.directory = directory
        self.logic = logic
        self.addresses: list[str] = []
        self._stack = stack

    async def client(self, pod: int = 0) -> ScriptedClient:
        client = ScriptedClient(self.addresses[pod])
        await self._stack.enter_async_context(client.channel)
        return client

    async def device(
        self, device: str, platform: str = "phone", *, pod: int = 0, **fields: Any
    ) -> ScriptedClient:
        """A device of alice that is attached."""
        client = await self.client(pod)
        await client.attach("alice", device_id=device, platform=platform, **fields)
        return client


@asynccontextmanager
async def device_world(
    tmp_path: Path, devices: DeviceSettings, *, carries: bool = True, assert_seconds: float = 60.0
) -> AsyncIterator[DeviceWorld]:
    """`carries`: whether notices to the other pod arrive."""
    secret_file = tmp_path / "secret"
    secret_file.write_bytes(SECRET)
    async with AsyncExitStack() as stack:
        directory = SlowDirectory()
        feed = PodFeed(directory, poll_seconds=0.05)
        polling = asyncio.create_task(feed.run())
        stack.callback(polling.cancel)
        router = RouterServicer(directory, feed, lease_seconds=10.0)
        router_address = await stack.enter_async_context(
            served(router, router_pb2_grpc.add_RouterServiceServicer_to_server)
        )
        stack.push_async_callback(feed.close)
        logic = CarryingLogic(carries=carries)
        logic.pod.address = await stack.enter_async_context(
            served(logic, logic_pb2_grpc.add_LogicServiceServicer_to_server)
        )
        await directory.register(logic.pod)
        async with AsyncExitStack() as clients, AsyncExitStack() as pods:
            world = DeviceWorld(directory, logic, clients)
            for number in range(2):
                settings = AccessSettings(
                    pod=PodSettings(id=f"access-{number}", grace_seconds=3.0),
                    router=RouterTarget(addresses=router_address),
                    auth=AuthSettings(secret_file=secret_file),
                    stream=StreamSettings(goodbye_seconds=0.5, assert_seconds=assert_seconds),
                    devices=devices,
                    # What these pods hold at the end nobody moves.
                    drain=DrainSettings(settle_seconds=0.0, nowhere_seconds=0.0),
                )
                chassis = await pods.enter_async_context(running_service(SERVICE, settings))
                world.addresses.append(chassis.address)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await logic.until(lambda: len(logic.links) == 2)
            yield world
