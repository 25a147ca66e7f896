"""A client that sends: it reconnects at once, and its outbox is soon full."""

from __future__ import annotations

from whimbrel.client import Client, ClientSettings, ClientStore, ReconnectPolicy, connect
from whimbrel.core.outgoing import OutboxLimits
from whimbrel.testing.scripted_access import ScriptedAccess

QUICK = ClientSettings(
    reconnect=ReconnectPolicy(cap_seconds=0.01), outbox=OutboxLimits(capacity_messages=100)
)


def alice(access: ScriptedAccess, store: ClientStore | None = None) -> Client:
    return connect(access.endpoint, "token-alice", device="phone", store=store, settings=QUICK)
