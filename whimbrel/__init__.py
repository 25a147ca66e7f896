"""Whimbrel: instant messaging whose connections migrate instead of dropping.

`whimbrel.connect(endpoint, token)` is the client SDK; see `whimbrel.client`. Its names are
loaded when they are first used, so that a part of the package can be imported without grpc.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whimbrel.client import (
        Attributes,
        BodyKind,
        Client,
        ClientSettings,
        CloseCode,
        ConnectionClosed,
        ErrorCode,
        ForwardedFrom,
        MessageEvent,
        Receipt,
        SqliteStore,
        Tls,
        WhimbrelError,
        connect,
    )

__all__ = [
    "Attributes",
    "BodyKind",
    "Client",
    "ClientSettings",
    "CloseCode",
    "ConnectionClosed",
    "ErrorCode",
    "ForwardedFrom",
    "MessageEvent",
    "Receipt",
    "SqliteStore",
    "Tls",
    "WhimbrelError",
    "connect",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("whimbrel.client"), name)
    raise AttributeError(f"module 'whimbrel' has no attribute {name!r}")
