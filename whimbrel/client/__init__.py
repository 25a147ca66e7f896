"""The client SDK: `connect` keeps one device of one user connected.

    async with connect("localhost:50051", token, device="phone") as im:
        receipt = await im.send("bob", "hello")
        async for event in im.events():
            print(event.sender_id, event.text)

Public: the names below. It needs grpcio and protobuf, nothing of the servers.
"""

from whimbrel.client.client import Client
from whimbrel.client.events import (
    ClientState,
    ClientStatistics,
    ConnectionClosed,
    MessageEvent,
    Receipt,
)
from whimbrel.client.opening import connect
from whimbrel.client.settings import ClientSettings
from whimbrel.client.signal_events import (
    DeliveredEvent,
    PresenceEvent,
    ReadEvent,
    SignalEvent,
    TypingEvent,
)
from whimbrel.client.store import ClientStore, MemoryStore, StoredState
from whimbrel.client.store_sqlite import SqliteStore
from whimbrel.client.transport import Tls
from whimbrel.core.attributes import Attributes, ForwardedFrom
from whimbrel.core.backoff import ReconnectPolicy
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.core.outgoing import BodyKind

__all__ = [
    "Attributes",
    "BodyKind",
    "Client",
    "ClientSettings",
    "ClientState",
    "ClientStatistics",
    "ClientStore",
    "CloseCode",
    "ConnectionClosed",
    "DeliveredEvent",
    "ErrorCode",
    "ForwardedFrom",
    "MemoryStore",
    "MessageEvent",
    "PresenceEvent",
    "ReadEvent",
    "Receipt",
    "ReconnectPolicy",
    "SignalEvent",
    "SqliteStore",
    "StoredState",
    "Tls",
    "TypingEvent",
    "WhimbrelError",
    "connect",
]
