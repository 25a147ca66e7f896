"""What the streams of a pod share: its parts, as each of them needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.access.announcements import StormSource, StormWindow
from services.access.settings import StreamSettings
from services.access.shell.shell import Shell
from services.access.tally import StreamTally
from whimbrel.core.session_types import SessionLimits
from whimbrel.runtime.ticker import Deadlines

if TYPE_CHECKING:
    from services.access.acks import AckKeeper
    from services.access.client_stream import ClientStream
    from services.access.delivery_traces import DeliveryTraces
    from services.access.departures import Departures
    from services.access.moves import Moves
    from services.access.requests import LogicRequests
    from services.access.send_traces import SendTraces
    from services.access.session_table import SessionTable
    from services.access.signal_desk import SignalDesk


@dataclass(frozen=True)
class StreamServices:
    """What a stream uses of its pod."""

    settings: StreamSettings
    table: SessionTable
    requests: LogicRequests
    acks: AckKeeper
    departures: Departures
    deadlines: Deadlines[ClientStream]
    moves: Moves
    signals: SignalDesk
    linger_seconds: float
    """For so long the old stream of a session that has moved stays open."""
    clock: Callable[[], float]
    shell: Shell
    send_traces: SendTraces | None = None
    """None: nobody collects traces."""
    delivery_traces: DeliveryTraces | None = None
    storm: StormSource = field(init=False)
    """Begins with the settings; what changes it later is told to every stream."""
    limits: SessionLimits = field(init=False)

    tally: StreamTally = field(default_factory=StreamTally)
    """What the streams have done."""

    def __post_init__(self) -> None:
        settings = self.settings
        window = StormWindow(settings.storm_foreground_ms, settings.storm_background_ms)
        object.__setattr__(self, "storm", StormSource(window))
        limits = SessionLimits(
            window_messages=settings.window_messages,
            window_bytes=settings.window_bytes,
            ack_timeout_seconds=settings.ack_timeout_seconds,
        )
        object.__setattr__(self, "limits", limits)
