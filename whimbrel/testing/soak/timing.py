"""How long deliveries took: latency from the first attempt of a send, and gaps.

The gap of a delivery is how long its device went without any delivery while this one was due:
from the latest of (the message was accepted, or given to somebody; the device was given its
previous message; the client program started) to the delivery. It is 0 when the message was
given before its acceptance was heard. Slow readers have no gaps: they are their own cause.
"""

from __future__ import annotations

from array import array


class Timing:
    """Collects. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.at = array("d")
        """When each delivery was …"""
        self.latency = array("d")
        """… and how many seconds after the first attempt of its send."""
        self._gaps = array("d")
        self._faults: dict[tuple[str, str, float], float | None] = {}
        self._settle_at: float | None = None
        self._last_due_at = 0.0

    def delivered(self, at: float, invoked_at: float) -> None:
        """A message was given for the first time to a device that was there when it was sent."""
        self.at.append(at)
        self.latency.append(max(0.0, at - invoked_at))

    def gap(self, seconds: float) -> None:
        """See the module."""
        self._gaps.append(max(0.0, seconds))

    def was_due(self, at: float) -> None:
        """A delivery that was due came at `at`."""
        self._last_due_at = at

    def fault(self, kind: str, target: str, started: float, ended: float | None) -> bool:
        """A fault begins or ends; whether it is new."""
        is_new = (kind, target, started) not in self._faults
        self._faults[kind, target, started] = ended
        return is_new

    def settle(self, at: float) -> None:
        """The load ends."""
        self._settle_at = at

    @property
    def faults(self) -> list[tuple[str, str, float, float | None]]:
        """(kind, target, from, to), in the order of their beginnings."""
        rows = [(kind, target, start, end) for (kind, target, start), end in self._faults.items()]
        return sorted(rows, key=lambda row: row[2])

    def seconds_to_heads(self) -> float:
        """From the end of the last fault, or of the load if that is later, to the last delivery
        that was due."""
        ends = [end for end in self._faults.values() if end is not None]
        if self._settle_at is not None:
            ends.append(self._settle_at)
        return max(0.0, self._last_due_at - max(ends)) if ends else 0.0

    def gap_ms(self, quantile: float) -> float:
        """The gap that this share of all deliveries did not exceed."""
        return 1000 * _quantile(self._gaps, quantile)

    def latency_ms(self, quantile: float) -> float:
        """Likewise, of the latencies."""
        return 1000 * _quantile(self.latency, quantile)


def _quantile(values: array[float], quantile: float) -> float:
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(quantile * len(ranked)))]
