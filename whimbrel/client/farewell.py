"""What the last frame of a stream says, and where it sends the client."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from whimbrel import wire
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import CloseCode
from whimbrel.core.migration import MoveTarget


class FarewellKind(enum.Enum):
    """Which frame it was."""

    CLOSE = "close"
    FIN = "fin"
    REDIRECT = "redirect"
    BUSY = "busy"


class Farewell(NamedTuple):
    """The server has said why it ends the stream. `code` is that of a Close, else None."""

    kind: FarewellKind
    code: CloseCode | None
    detail: str
    retry_after_seconds: float = 0.0
    jitter_seconds: float = 0.0
    targets: tuple[MoveTarget, ...] = ()


def farewell_of(frame: access_pb2.ConnectResponse) -> Farewell | None:
    """What a Close, Fin, Redirect or Busy says; None for any other frame."""
    kind = frame.WhichOneof("frame")
    if kind == "fin":
        return Farewell(FarewellKind.FIN, None, "the session has moved on")
    if kind == "close":
        close = frame.close
        code = wire.close_code(close.code)
        return Farewell(FarewellKind.CLOSE, code, close.detail, close.retry_after_ms / 1000)
    if kind == "redirect":
        return Farewell(
            FarewellKind.REDIRECT,
            None,
            "the pod takes no sessions",
            jitter_seconds=frame.redirect.jitter_ms / 1000,
            targets=targets_of(frame.redirect.targets),
        )
    if kind == "busy":
        return Farewell(
            FarewellKind.BUSY,
            None,
            "the pod has no room now",
            retry_after_seconds=frame.busy.retry_after_ms / 1000,
            targets=targets_of(frame.busy.targets),
        )
    return None


def targets_of(targets: Iterable[access_pb2.Target]) -> tuple[MoveTarget, ...]:
    """As the core takes them."""
    return tuple(MoveTarget(target.endpoint, target.ticket) for target in targets)
