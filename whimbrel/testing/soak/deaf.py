"""A client that never reads: it opens a stream, says Hello, asks for everything, and is deaf.

It speaks gRPC by hand, since the SDK reads whatever an application does. The pod has to bear it.
"""

from __future__ import annotations

import asyncio
import uuid
from random import Random

import grpc

from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.testing.soak.device import Target
from whimbrel.testing.soak.events import Started
from whimbrel.testing.soak.plan import DevicePlan
from whimbrel.testing.soak.recorder import Recorder

_STAYS_SECONDS = (5.0, 20.0)
_WRITE_SECONDS = 5.0
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0))


async def be_deaf(
    plan: DevicePlan, target: Target, recorder: Recorder, random: Random, until: asyncio.Event
) -> None:
    """Hold one unread stream after the other open until `until`."""
    recorder.record(Started(recorder.now(), plan.client, "deaf", False))
    token = target.token_of(plan.user)
    attempt = 0
    instance = uuid.uuid4().hex
    while not until.is_set():
        attempt += 1
        hello = access_pb2.Hello(
            protocol_version=1,
            token=token,
            device_id=plan.device,
            cursor=0,
            instance_id=instance,
            attempt=attempt,
            client="whimbrel-soak-deaf",
        )
        async with grpc.aio.insecure_channel(
            random.choice(target.find_endpoints()), options=_OPTIONS
        ) as channel:
            await _hold(channel, hello, random.uniform(*_STAYS_SECONDS), until)


async def _hold(
    channel: grpc.aio.Channel, hello: access_pb2.Hello, seconds: float, until: asyncio.Event
) -> None:
    call = access_pb2_grpc.AccessServiceStub(channel).Connect()
    try:
        async with asyncio.timeout(_WRITE_SECONDS):
            await call.write(access_pb2.ConnectRequest(hello=hello))
    except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
        seconds = 1.0  # nobody is there: come again
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        pass
    finally:
        call.cancel()
