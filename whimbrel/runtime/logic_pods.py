"""The Logic pods, as the registry has them, for unary calls over gRPC.

A key (a conversation, or a user) always asks the same pod while it answers; one that cannot be
reached is passed over. Must not know what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import grpc

from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import unavailable
from whimbrel.core.rendezvous import rank
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.errors import error_from_rpc

CALL_SECONDS: Final = 5.0
"""What one call may take: half of what a message may."""
_NO_POD_RETRY_SECONDS: Final = 0.5

A = TypeVar("A")
S = TypeVar("S")
T = TypeVar("T")


async def asked(call: Awaitable[T]) -> T:
    """The answer of a gRPC call; its error is raised as the WhimbrelError that it carries."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise error_from_rpc(error) from None


class LogicPods:
    """A channel to each. `see` is a callback of the registration."""

    def __init__(self, open_to: Callable[[str], grpc.aio.Channel] = open_channel) -> None:
        self._open_to = open_to
        self._pods: dict[str, _Pod] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def see(self, pods: Mapping[str, router_pb2.Pod]) -> None:
        """The registry's table has changed."""
        wanted = {
            pod.address
            for pod in pods.values()
            # A Router of an earlier version may have taken a pod that cannot be called.
            if pod.role == router_pb2.POD_ROLE_LOGIC and pod.address
        }
        for address in set(self._pods) - wanted:
            closing = asyncio.ensure_future(self._pods.pop(address).channel.close(CALL_SECONDS))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        for address in wanted - set(self._pods):
            self._pods[address] = _Pod(self._open_to(address))

    def stub(self, key: str, stub_class: Callable[[grpc.aio.Channel], S]) -> S:
        """A stub of this class at the pod that serves `key`; UNAVAILABLE when there is none."""
        ranked = rank(key, self._pods)
        reachable = (one for one in ranked if self._pods[one].seems_reachable)
        address = next(reachable, ranked[0] if ranked else None)
        if address is None:
            raise unavailable("no Logic pod is known", retry_after_seconds=_NO_POD_RETRY_SECONDS)
        return self._pods[address].stub(stub_class)

    async def close(self) -> None:
        """Close every channel."""
        channels = [pod.channel.close() for pod in self._pods.values()]
        self._pods.clear()
        await asyncio.gather(*channels, *self._closing)


async def ask(
    logic: LogicPods,
    key: str,
    stub_class: Callable[[grpc.aio.Channel], S],
    method: Callable[[S], Callable[..., Awaitable[A]]],
    request: object,
    *,
    seconds: float = CALL_SECONDS,
) -> A:
    """The answer to `request`, from the Logic pod that serves `key`.

    page = await ask(logic, user_id, SomeServiceStub, lambda stub: stub.Some, request)

    Raises what the pod refused, UNAVAILABLE when there is none, DEADLINE_EXCEEDED after `seconds`.
    """
    return await asked(method(logic.stub(key, stub_class))(request, timeout=seconds))


class _Pod:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._stubs: dict[Callable[[grpc.aio.Channel], Any], Any] = {}

    @property
    def seems_reachable(self) -> bool:
        return self.channel.get_state() is not grpc.ChannelConnectivity.TRANSIENT_FAILURE

    def stub(self, stub_class: Callable[[grpc.aio.Channel], S]) -> S:
        if stub_class not in self._stubs:
            self._stubs[stub_class] = stub_class(self.channel)
        stub: S = self._stubs[stub_class]
        return stub
