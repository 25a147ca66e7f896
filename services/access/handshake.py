"""How a stream becomes attached: Hello, route, cursor and backlog, Welcome. In this order.

The session is in the table before its route is written, so what commits after the route is
pushed and held, and what committed before is in the backlog that is read after it: nothing
falls in between (rule 10). A session that moves here by ticket comes the same way; the pod that
it leaves is told when the client can be welcomed, and not before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.access import fencing, incoming
from services.access.admission import Admission
from services.access.client_stream import ClientStream
from services.access.frames import detached, fin, numbered
from services.access.refusals import StreamRefusedError, StreamReplacedError
from services.access.routes import Routes
from services.access.rules import check_hello
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import CloseCode, WhimbrelError
from whimbrel.core.names import check_platform

_RETRY_SECONDS: Final = 0.2
_RETRY_AFTER_MS: Final = 500


@dataclass(frozen=True)
class PodIdentity:
    """Who this pod is to Router and Logic."""

    pod_id: str
    incarnation: str


class Handshake:
    """Attaches streams. One per pod."""

    def __init__(
        self,
        identity: PodIdentity,
        admission: Admission,
        routes: Routes,
        endpoints: Callable[[str], list[str]],
    ) -> None:
        """`endpoints` gives the Access pods for a user, this one first."""
        self._identity = identity
        self._admission = admission
        self._routes = routes
        self._endpoints = endpoints

    async def attach(self, stream: ClientStream, first: access_pb2.ConnectRequest) -> None:
        """Attach the stream and queue its Welcome.

        Raises StreamRefusedError, SentElsewhereError, or StreamReplacedError for an attempt that
        came too late.
        """
        if first.WhichOneof("frame") != "hello":
            raise StreamRefusedError(CloseCode.HELLO_EXPECTED, "the first frame must be Hello")
        hello = first.hello
        check_hello(hello)
        stream.device_id = hello.device_id
        stream.platform = check_platform(hello.platform)
        stream.instance_id = hello.instance_id
        stream.attempt = hello.attempt
        stream.migrates = hello.migrates
        began = stream.services.clock()
        ticket_epoch = self._admission.admit(stream, hello, began)
        stream.services.shell.name(stream)
        stream.services.table.add(stream)
        try:
            async with asyncio.timeout(stream.services.settings.attach_seconds):
                previous = await self._attach_route(stream, hello.epoch, ticket_epoch)
                if not ticket_epoch:
                    self._tell(stream, previous)
                result = await self._attach_timeline(stream, hello)
        except TimeoutError:
            raise _unavailable("Router or Logic do not answer") from None
        except WhimbrelError as error:
            raise _unavailable(error.detail) from None
        now = stream.services.clock()
        self._admission.attached(now - began, now)
        if ticket_epoch:
            self._tell(stream, previous)
        page = numbered(detached(result).entries, stream.services.delivery_traces, now)
        stream.session.attach(result.cursor, result.head, page, now)
        incoming.set_app_state(stream, hello.app_state, now)
        stream.services.signals.open(stream, hello, now)
        stream.outbound.welcome(self._welcome(stream))
        stream.turn(now)

    async def resume(self, stream: ClientStream, attempt: int) -> None:
        """A move has failed: point the route here again, under a new epoch, and go on.

        Raises StreamRefusedError when that is not possible in time.
        """
        stream.attempt = max(stream.attempt, attempt)
        try:
            async with asyncio.timeout(stream.services.settings.attach_seconds):
                previous = await self._attach_route(stream, stream.epoch, 0)
                self._tell(stream, previous)
                result = await stream.services.requests.attach(
                    logic_pb2.AttachRequest(
                        user_id=stream.user_id,
                        device_id=stream.device_id,
                        epoch=stream.epoch,
                        cursor=stream.session.cursor,
                        limit=1,
                    )
                )
        except StreamReplacedError:
            stream.is_superseded = True
            stream.end(fin(stream.session.written), "fin")
        except TimeoutError:
            raise _unavailable("Router or Logic do not answer") from None
        except WhimbrelError as error:
            raise _unavailable(error.detail) from None
        else:
            fencing.resume(stream, stream.epoch, result.head, stream.services.clock())

    async def _attach_route(self, stream: ClientStream, epoch: int, ticket_epoch: int) -> str:
        """Swap the route; the pod that held it before."""
        attachment = await self._swap_route(stream, epoch, ticket_epoch)
        if attachment.over_limit:
            raise _over_limit(stream, attachment)
        if attachment.epoch == 0:
            raise StreamReplacedError
        table = stream.services.table
        for other in table.of_device(stream.user_id, stream.device_id):
            # Attached in the same moment, and later: then it is the one that holds the device.
            fencing.supersede(stream, other.epoch, other.instance_id)
        table.supersede(stream.user_id, stream.device_id, stream.epoch, stream.instance_id)
        return attachment.previous_pod_id

    def _tell(self, stream: ClientStream, previous: str) -> None:
        """Let the pod that the session leaves know. It finds out by itself at the latest at its
        next re-assert."""
        if previous and previous != self._identity.pod_id:
            stream.services.requests.supersede(
                logic_pb2.Superseded(
                    user_id=stream.user_id,
                    device_id=stream.device_id,
                    epoch=stream.epoch,
                    instance_id=stream.instance_id,
                    pod_id=previous,
                )
            )

    async def _swap_route(
        self, stream: ClientStream, epoch: int, ticket_epoch: int
    ) -> router_pb2.Attachment:
        """Ask until a Router answers; asking twice with the same attempt is harmless."""
        while True:
            try:
                return await self._routes.attach(stream, epoch, ticket_epoch)
            except WhimbrelError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _attach_timeline(
        self, stream: ClientStream, hello: access_pb2.Hello
    ) -> logic_pb2.AttachResult:
        request = logic_pb2.AttachRequest(
            user_id=stream.user_id,
            device_id=stream.device_id,
            epoch=stream.epoch,
            limit=stream.services.settings.window_messages,
            account_scope=hello.cursor_scope == access_pb2.CURSOR_SCOPE_ACCOUNT,
        )
        if hello.HasField("cursor"):
            request.cursor = hello.cursor
        return await stream.services.requests.attach(request)

    def _welcome(self, stream: ClientStream) -> access_pb2.Welcome:
        settings = stream.services.settings
        storm = stream.services.storm.current
        stream.announced.welcomed(stream.session.head, storm)
        return access_pb2.Welcome(
            user_id=stream.user_id,
            epoch=stream.epoch,
            first_seq=stream.session.cursor + 1,
            head=stream.session.head,
            heartbeat_interval_ms=round(settings.heartbeat_seconds * 1000),
            background_heartbeat_min_ms=round(settings.background_heartbeat_min_seconds * 1000),
            background_heartbeat_max_ms=round(settings.background_heartbeat_max_seconds * 1000),
            storm_window=storm.frame(),
            window_messages=settings.window_messages,
            window_bytes=settings.window_bytes,
            max_body_bytes=settings.max_body_bytes,
            max_unanswered_sends=settings.max_unanswered_sends,
            endpoints=self._endpoints(stream.user_id),
            signals=stream.signals is not None,
        )


def _over_limit(stream: ClientStream, attachment: router_pb2.Attachment) -> StreamRefusedError:
    if attachment.previous_instance_id == stream.instance_id:
        # It was kicked and has not heard of it; to let it in would kick the one that is there.
        return StreamRefusedError(
            CloseCode.KICKED, "another device of this platform has taken the place"
        )
    return StreamRefusedError(
        CloseCode.TOO_MANY_DEVICES,
        f"as many devices of the platform {stream.platform!r} are attached as may be",
    )


def _unavailable(detail: str) -> StreamRefusedError:
    retry_after_ms = _RETRY_AFTER_MS + random.randrange(_RETRY_AFTER_MS)
    return StreamRefusedError(CloseCode.UNAVAILABLE, detail, retry_after_ms)
