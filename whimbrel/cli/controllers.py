"""Finds the drain controllers of a stack, here or elsewhere, and asks the one that leads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import folder_of

if TYPE_CHECKING:
    from pathlib import Path

    from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc
    from whimbrel.runtime.tls import Dial

T = TypeVar("T")

CALL_SECONDS = 15.0
FIND_SECONDS = 15.0
"""As long as a lease holds: after a leader's death another one is there by then."""
_RETRY_SECONDS = 0.5


@dataclass(frozen=True)
class Controllers:
    """Where to look for them. Addresses are host:port."""

    routers: str = ""
    """Of the stack that runs here, host:port[,host:port]."""
    given: tuple[str, ...] = ()
    """Controllers, or Routers; if there are any, `routers` counts for nothing."""
    dial: Dial | None = None
    """How to call them; None: without TLS."""

    @classmethod
    def of(
        cls, given: list[str] | None, data: Path | None, certificates: Path | None = None
    ) -> Controllers:
        """As the options say. Raises StackError when nothing is given and no stack runs here,
        CommandError when the certificates cannot be used."""
        if given:
            dial = None if certificates is None else _dial_with(certificates)
            return cls(given=tuple(given), dial=dial)
        from whimbrel.local.certificates import operator_dial

        folder = folder_of(data)
        return cls(routers=folder.running().router_addresses, dial=operator_dial(folder))

    async def addresses(self) -> list[str]:
        """Those that may lead. Raises StackError or CommandError when nobody answers."""
        if not self.given:
            return await _known_to(self.routers, self.dial)
        found = [await _answering_at(address, self.dial) for address in self.given]
        if not any(one is not None for one in found):
            raise CommandError(
                f"nothing answers at {', '.join(self.given)}: is it the address of a drain "
                "controller or a Router, does `kubectl port-forward` still run, and do pods speak "
                "TLS there (--certificates)?"
            )
        return [address for addresses in found for address in addresses or ()]

    def nobody_leads(self, reason: str) -> str:
        """What to say when none of them does, and what to do."""
        if self.given:
            return f"no leader at {', '.join(self.given)} ({reason}): give the address of that one"
        return f"no drain controller leads ({reason}): `whimbrel pods` shows which there are"


async def ask_leader(
    controllers: Controllers,
    ask: Callable[[drain_pb2_grpc.DrainServiceStub], Awaitable[T]],
) -> T:
    """The leader's answer to a request that is safe to repeat.

    Each controller is tried, again for a while when none leads. Raises WhimbrelError for what the
    leader refuses, CommandError when there is none.
    """
    import asyncio
    import time

    import grpc

    from whimbrel.core.errors import ErrorCode, WhimbrelError
    from whimbrel.runtime.errors import error_from_rpc

    give_up_at = time.monotonic() + FIND_SECONDS
    while True:
        reason = "none is registered"
        for address in await controllers.addresses():
            async with _stub(address, controllers.dial) as stub:
                try:
                    return await ask(stub)
                except grpc.aio.AioRpcError as failure:
                    error = error_from_rpc(failure)
                except WhimbrelError as refusal:
                    error = refusal
            if error.code is not ErrorCode.UNAVAILABLE:
                raise error
            reason = error.detail
        if time.monotonic() >= give_up_at:
            raise CommandError(controllers.nobody_leads(reason))
        await asyncio.sleep(_RETRY_SECONDS)


async def watch_leader(controllers: Controllers) -> AsyncIterator[drain_pb2_grpc.DrainServiceStub]:
    """A stub of the leader, and of the next one whenever the caller asks again. For watches."""
    import asyncio

    while True:
        for address in await controllers.addresses():
            async with _stub(address, controllers.dial) as stub:
                if await _leads(stub):
                    yield stub
        await asyncio.sleep(_RETRY_SECONDS)


async def plans_of(stub: drain_pb2_grpc.DrainServiceStub) -> drain_pb2.ListPlansResponse:
    """The plans of the controller behind this stub; raises UNAVAILABLE unless it leads."""
    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.core.errors import unavailable

    plans = await stub.ListPlans(drain_pb2.ListPlansRequest(), timeout=CALL_SECONDS)
    if not plans.leads:
        raise unavailable("this drain controller does not lead")
    return plans


def _dial_with(folder: Path) -> Dial:
    """With the certificate in there, under the names that Kubernetes gives its files."""
    from whimbrel.runtime.certificates import CertificateError
    from whimbrel.runtime.tls import dialer
    from whimbrel.runtime.tls_settings import TlsSettings

    certificate, key, ca = (folder / name for name in ("tls.crt", "tls.key", "ca.crt"))
    try:
        return dialer(TlsSettings(certificate=certificate, key=key, ca=ca))
    except CertificateError as error:
        raise CommandError(f"--certificates: {error}") from None


async def _known_to(routers: str, dial: Dial | None = None) -> list[str]:
    """Where the drain pods are, as the Router knows them."""
    from whimbrel.api.router.v1 import router_pb2
    from whimbrel.local.cluster import list_pods

    pods = await list_pods(routers) if dial is None else await list_pods(routers, dial=dial)
    return [pod.address for pod in pods if pod.role == router_pb2.POD_ROLE_DRAIN and pod.address]


async def _answering_at(address: str, dial: Dial | None) -> list[str] | None:
    """The address if it is a controller's, those that it knows if it is a Router's; None when
    nothing answers there."""
    import grpc

    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.local.errors import StackError

    async with _stub(address, dial) as stub:
        try:
            await stub.ListPlans(drain_pb2.ListPlansRequest(), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                raise CommandError(
                    f"{address} does not take these certificates: {error.details()}"
                ) from None
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                return None
        else:
            return [address]
    try:
        return await _known_to(address, dial)
    except StackError as error:
        raise CommandError(f"{address} is no drain controller, and {error}") from None


async def _leads(stub: drain_pb2_grpc.DrainServiceStub) -> bool:
    import grpc

    from whimbrel.core.errors import WhimbrelError

    try:
        await plans_of(stub)
    except (grpc.aio.AioRpcError, WhimbrelError):
        return False
    return True


@asynccontextmanager
async def _stub(
    address: str, dial: Dial | None = None
) -> AsyncIterator[drain_pb2_grpc.DrainServiceStub]:
    from whimbrel.api.drain.v1 import drain_pb2_grpc
    from whimbrel.runtime.channels import open_channel

    async with (dial or open_channel)(address) as channel:
        yield drain_pb2_grpc.DrainServiceStub(channel)
