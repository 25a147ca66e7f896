"""What an Access pod records of traces: nothing, and nothing is imported, without a collector."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.access.settings import AccessSettings
from whimbrel.runtime.chassis import Chassis

if TYPE_CHECKING:
    from services.access.delivery_traces import DeliveryTraces
    from services.access.send_traces import SendTraces


def open_traces(
    settings: AccessSettings, chassis: Chassis, *, clock: Callable[[], float]
) -> tuple[SendTraces | None, DeliveryTraces | None]:
    """Of messages that come from clients, and of entries that go to them."""
    if chassis.tracing is None:
        return None, None
    from services.access.delivery_traces import DeliveryTraces  # noqa: PLC0415
    from services.access.send_traces import SendTraces  # noqa: PLC0415

    sends = SendTraces(chassis.tracing, settings.tracing, clock=clock, dice=random.random)
    return sends, DeliveryTraces(chassis.tracing)
