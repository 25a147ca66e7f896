"""`connect`: where an application begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc

from whimbrel.client.client import Client
from whimbrel.client.endpoints import Endpoints
from whimbrel.client.lifetime import Options
from whimbrel.client.settings import ClientSettings
from whimbrel.client.store import ClientStore, MemoryStore
from whimbrel.client.tokens import Token, TokenSource
from whimbrel.client.transport import Tls, transport_of
from whimbrel.core.names import check_name, check_platform

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


def connect(
    endpoint: str | Sequence[str],
    token: Token,
    *,
    device: str = "default",
    platform: str = "",
    account_scope: bool = False,
    signals: bool = False,
    delivered_receipts: bool = False,
    store: ClientStore | None = None,
    cursor: int | None = None,
    timeout_seconds: float | None = 30.0,
    settings: ClientSettings | None = None,
    tls: bool | Tls = False,
    credentials: grpc.ChannelCredentials | None = None,
    tracer: Tracer | None = None,
) -> Client:
    """A client for `async with`: entering it connects, leaving it says goodbye.

    endpoint
        "host:port", or several in the order in which to try them; the server may name more.
    token
        The JWT whose `sub` is the user, or a function (plain or async) that gives a fresh one;
        it is asked before each attempt, and once more when the server says TOKEN_EXPIRED.
    device
        Names this device of the user for ever: 1 to 64 of A-Z a-z 0-9 _ . -. The newest client
        of a device ends the others with SUPERSEDED.
    platform
        What kind of device this is ("phone", "desktop", …): 1 to 16 of A-Z a-z 0-9 _ . -; empty
        counts as "other". Where a server limits how many devices of a platform a user may have,
        one too many ends the oldest with KICKED, or is refused with TOO_MANY_DEVICES.
    account_scope
        False: this device gets everything, whatever other devices of the user have seen. True:
        what any of them has acknowledged by the time this one attaches does not come again.
    signals
        True: `Client.signals` says and hears who types, who has read what, who is there.
        `delivered_receipts`: this device also takes part in delivered receipts, both ways; in
        direct conversations.
    store
        What survives the process; None keeps nothing. With a SqliteStore a message that was
        given to `send` goes out even if the process is killed in between, under the same id.
    cursor
        Where to begin when the store knows nothing: everything up to this seq is done, 0 asks
        for the whole timeline. None: where this device last was, by the server's own memory; a
        device that is new begins with what comes next. The higher of both counts.
    timeout_seconds
        For the first attachment. None tries for ever.
    settings
        See ClientSettings.
    tls
        True: TLS, believing the authorities of the system. A Tls names others, or another name
        of the server: `tls=Tls(ca_file="ca.pem")`. It holds for every endpoint, also for those
        that the server names. `credentials` instead (grpc.ssl_channel_credentials) are for what
        a Tls cannot say.
    tracer
        An OpenTelemetry tracer of the application. Each `send` is a span of it then, and where
        that is sampled the servers go on with its trace. None: the server decides.

    Raises ValueError for a CA file that cannot be used.

    Entering raises WhimbrelError DEADLINE_EXCEEDED when nothing could be attached in time,
    PERMISSION_DENIED when the store belongs to another user or device, ConnectionClosed when the
    server refuses for good (BAD_TOKEN, …), and what the store or the token function raise.
    """
    check_name(device, "device")
    check_platform(platform)
    settings = settings or ClientSettings()
    if store is None:
        store = MemoryStore()
    return Client(
        Endpoints([endpoint] if isinstance(endpoint, str) else endpoint),
        TokenSource(token),
        Options(
            device,
            MemoryStore() if store is None else store,
            cursor,
            timeout_seconds,
            settings,
            transport_of(tls or (settings.secure and credentials is None), credentials),
            platform,
            account_scope,
            signals or delivered_receipts,
            delivered_receipts,
            tracer,
        ),
    )
