"""A client that is asked to move, and what pods say to it."""

from __future__ import annotations

from dataclasses import replace

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import Client, ClientSettings, MessageEvent, ReconnectPolicy, connect
from whimbrel.testing.scripted_access import ScriptedAccess
from whimbrel.testing.scripted_stream import ScriptedStream

QUICK = ClientSettings(
    reconnect=ReconnectPolicy(cap_seconds=0.01), welcome_timeout_seconds=1, fin_timeout_seconds=1
)
DEAD_END = "127.0.0.1:1"


class Losses:
    """An Observer that counts the moments without a stream."""

    def __init__(self) -> None:
        self.count = 0

    def greeted(self) -> None: ...

    def welcomed(self, first_seq: int, head: int, epoch: int) -> None: ...

    def confirmed(self, cursor: int) -> None: ...

    def lost(self) -> None:
        self.count += 1


def alice(access: ScriptedAccess, losses: Losses | None = None) -> Client:
    settings = replace(QUICK, observer=losses)
    return connect(access.endpoint, "token-alice", device="phone", settings=settings)


async def take(client: Client, count: int) -> list[MessageEvent]:
    events = client.events()
    return [await anext(events) for _ in range(count)]


async def migrate(stream: ScriptedStream, *endpoints: str) -> None:
    targets = [
        access_pb2.Target(endpoint=endpoint, ticket=f"ticket-{number}")
        for number, endpoint in enumerate(endpoints)
    ]
    frame = access_pb2.Migrate(plan_id="plan", targets=targets)
    await stream.write(access_pb2.ConnectResponse(migrate=frame))


async def fin(stream: ScriptedStream) -> None:
    await stream.write(access_pb2.ConnectResponse(fin=access_pb2.Fin()))


async def busy(stream: ScriptedStream, *endpoints: str) -> None:
    targets = [access_pb2.Target(endpoint=endpoint, ticket="more") for endpoint in endpoints]
    frame = access_pb2.Busy(retry_after_ms=50, targets=targets)
    await stream.write(access_pb2.ConnectResponse(busy=frame))


async def verdict(stream: ScriptedStream) -> access_pb2.MigrateAck:
    return (await stream.read_until("migrate_ack")).migrate_ack
