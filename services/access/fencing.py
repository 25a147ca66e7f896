"""The newest attachment of a device wins: what becomes of a stream that is not it any more.

Everything here runs without waiting. What may send, and what is superseded or kicked, is told by
epochs alone (promise 7); the Router and the other pods name them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream


def supersede(stream: ClientStream, epoch: int, instance_id: str) -> None:
    """The device is attached elsewhere with a higher epoch (rule 14)."""
    if stream.is_superseded or epoch <= stream.epoch:
        return
    stream.is_superseded = True
    if instance_id == stream.instance_id:
        services = stream.services
        services.moves.rose(stream)
        stream.fin_at = services.clock() + services.linger_seconds
        stream.arm()
    else:
        stream.close(CloseCode.SUPERSEDED, "another instance has attached as this device")


def resume(stream: ClientStream, epoch: int, head: int, now: float) -> None:
    """The session has come back to this stream: what it missed meanwhile is fetched."""
    stream.epoch = epoch
    stream.is_superseded = False
    stream.fin_at = math.inf
    stream.services.moves.resumed(stream, now)
    stream.outbound.resumed(epoch)
    stream.session.head_news(head, now)
    stream.turn(now)
    stream.wake()


def kick(stream: ClientStream, epoch: int) -> None:
    """Another device has taken the place that this one had with this epoch. Remembered when
    it overtakes the Router's answer to our own attach, after which 0 looks again."""
    stream.kicked_epoch = max(stream.kicked_epoch, epoch)
    if not stream.is_kicked and 0 < stream.epoch <= stream.kicked_epoch:
        stream.is_kicked = True
        stream.close(CloseCode.KICKED, "another device of this platform has taken the place")


def stale(stream: ClientStream) -> WhimbrelError | None:
    """Why this stream may not send any more, if so."""
    if stream.is_superseded or stream.is_kicked:
        return WhimbrelError(ErrorCode.STALE_EPOCH, "a newer attachment has taken over")
    return None
