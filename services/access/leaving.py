"""What a stream gives back when it has ended, however it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whimbrel.core.ack_timer import SeqRange

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream


def leave(stream: ClientStream) -> None:
    """Give back everything that the stream held; its route too, unless a newer attachment has
    it. Waits for nothing, and is harmless twice."""
    stream.finish("gone")
    stream.wake = _nobody  # else the two hold each other until a collection
    services, session = stream.services, stream.session
    services.deadlines.set(stream, None)
    services.table.remove(stream)
    services.moves.ended(stream)
    services.signals.close(stream)
    if stream.traced and services.delivery_traces is not None:
        services.delivery_traces.left(stream, services.clock())
    if stream.is_superseded or not stream.epoch:
        return
    services.departures.add(stream)
    if session.cursor < session.written:
        missed = SeqRange(session.cursor + 1, session.written)
        services.requests.unacknowledged(stream.user_id, stream.device_id, missed)


def _nobody() -> None:
    """There is nobody to wake any more."""
