"""An Access pod between a scripted Router and scripted Logic pods, and clients that are scripts."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from services.access.bootstrap import SERVICE
from services.access.client_stream import ClientStream
from services.access.settings import AccessSettings, DrainSettings, StreamSettings
from services.access.shell_settings import ShellSettings
from tests.component.access.fake_logic import FakeLogic
from tests.component.access.fake_router import FakeRouter
from tests.component.access.notebook import PATIENCE_SECONDS
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2_grpc
from whimbrel.api.types.v1 import types_pb2
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.settings import MetricsSettings, PodSettings, RedisSettings, RouterTarget
from whimbrel.runtime.tokens import sign_token
from whimbrel.testing.servers import running_service

SECRET = b"a secret of thirty-two bytes or more"


def token(user: str, ttl_seconds: float = 600) -> str:
    return sign_token(SECRET, user, ttl_seconds, now=time.time())


def hello(user: str = "bob", **fields: Any) -> access_pb2.ConnectRequest:
    known = {
        "protocol_version": 1,
        "token": token(user),
        "device_id": "phone",
        "cursor": 0,
        "instance_id": "i1",
        "attempt": 1,
    }
    return access_pb2.ConnectRequest(hello=access_pb2.Hello(**{**known, **fields}))


def text(client_message_id: str, recipient: str = "alice") -> access_pb2.OutgoingMessage:
    return access_pb2.OutgoingMessage(
        client_message_id=client_message_id,
        recipient_id=recipient,
        body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=b"hi"),
    )


def sends(*messages: access_pb2.OutgoingMessage) -> access_pb2.ConnectRequest:
    return access_pb2.ConnectRequest(send=access_pb2.Send(messages=messages))


def ack(cursor: int, *, confirm_now: bool = False) -> access_pb2.ConnectRequest:
    return access_pb2.ConnectRequest(ack=access_pb2.Ack(cursor=cursor, confirm_now=confirm_now))


PING = access_pb2.ConnectRequest(ping=access_pb2.Ping())
BYE = access_pb2.ConnectRequest(bye=access_pb2.Bye())


class ScriptedClient:
    """One stream; says and reads exactly what the test tells it to."""

    def __init__(self, address: str) -> None:
        # Without probing, as on the server: a client that does not read swallows 64 KiB.
        options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.aio.insecure_channel(address, options=options)
        self.stub = access_pb2_grpc.AccessServiceStub(self.channel)
        self.call: Any = self.stub.Connect()

    async def say(self, *frames: access_pb2.ConnectRequest) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for frame in frames:
                await self.call.write(frame)

    async def read(self) -> access_pb2.ConnectResponse:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = await self.call.read()
        assert isinstance(frame, access_pb2.ConnectResponse), "the stream has ended"
        return frame

    async def expect(self, kind: str) -> Any:
        """The next frame, which must be of this kind."""
        frame = await self.read()
        assert frame.WhichOneof("frame") == kind, frame
        return getattr(frame, kind)

    async def next(self, kind: str) -> Any:
        """The next frame of this kind; others in between are of no interest."""
        while True:
            frame = await self.read()
            if frame.WhichOneof("frame") == kind:
                return getattr(frame, kind)

    async def attach(self, user: str = "bob", **fields: Any) -> access_pb2.Welcome:
        await self.say(hello(user, **fields))
        welcome: access_pb2.Welcome = await self.expect("welcome")
        return welcome

    async def seqs(self, count: int) -> list[int]:
        """The seqs of the next Delivers, until so many have come."""
        got: list[int] = []
        while len(got) < count:
            got += [entry.seq for entry in (await self.next("deliver")).entries]
        return got

    async def closed(self) -> access_pb2.Close:
        """The Close that ends the stream: the last frame, then a normal end."""
        close: access_pb2.Close = await self.next("close")
        await self.ended()
        return close

    async def ended(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await self.call.read() is grpc.aio.EOF
            assert await self.call.code() is grpc.StatusCode.OK


class World:
    """The pod and what is around it."""

    def __init__(self, router: FakeRouter, logics: list[FakeLogic], stack: AsyncExitStack) -> None:
        self.router = router
        self.logics = logics
        self.logic = logics[0] if logics else FakeLogic()
        self.chassis: Chassis
        self._stack = stack

    async def client(self) -> ScriptedClient:
        client = ScriptedClient(self.chassis.address)
        await self._stack.enter_async_context(client.channel)
        return client

    async def attached(self, user: str = "bob", **fields: Any) -> ScriptedClient:
        client = await self.client()
        await client.attach(user, **fields)
        return client

    async def linked(self) -> None:
        """Until the pod is linked to every Logic pod."""
        for logic in self.logics:
            await logic.until(lambda logic=logic: bool(logic.links))  # type: ignore[misc]

    def stream_of(self, user: str) -> ClientStream:
        """The pod's own view of a stream."""
        (stream,) = (
            thing
            for thing in gc.get_objects()
            if type(thing) is ClientStream and thing.user_id == user and not thing.is_over
        )
        return stream


@asynccontextmanager
async def served(servicer: Any, add: Any, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add(servicer, server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def access_world(
    tmp_path: Path,
    *,
    logic_pods: int = 1,
    grace_seconds: float = 3.0,
    metrics_listen: str | None = None,
    drain: dict[str, Any] | None = None,
    shell: dict[str, Any] | None = None,
    redis_url: str | None = None,
    **stream: Any,
) -> AsyncIterator[World]:
    """`stream`: settings of AccessSettings.stream, `drain` and `shell` likewise. At the end
    the pod is drained as by SIGTERM."""
    secret_file = tmp_path / "secret"
    secret_file.write_bytes(SECRET)
    async with AsyncExitStack() as stack:
        router = FakeRouter()
        router_address = await stack.enter_async_context(
            served(router, router_pb2_grpc.add_RouterServiceServicer_to_server)
        )
        logics = [FakeLogic(f"logic-{number}") for number in range(logic_pods)]
        for logic in logics:
            logic.pod.address = await stack.enter_async_context(
                served(logic, logic_pb2_grpc.add_LogicServiceServicer_to_server)
            )
            router.set_pod(logic.pod)
        settings = AccessSettings(
            pod=PodSettings(id="access-0", grace_seconds=grace_seconds),
            metrics=MetricsSettings(listen=metrics_listen),
            router=RouterTarget(addresses=router_address),
            auth=AuthSettings(secret_file=secret_file),
            stream=StreamSettings(**{"goodbye_seconds": 0.5, **stream}),
            drain=DrainSettings(**{"settle_seconds": 0.0, "nowhere_seconds": 0.0, **(drain or {})}),
            shell=ShellSettings(**(shell or {})),
            redis=RedisSettings(url=redis_url) if redis_url is not None else None,
        )
        # Clients leave before the fakes stop, and after the pod has drained.
        async with AsyncExitStack() as clients:
            world = World(router, logics, clients)
            async with running_service(SERVICE, settings) as world.chassis:
                await world.linked()
                yield world
