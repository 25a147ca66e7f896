"""Latencies as HDR histograms: three significant digits from 1 µs to 10 minutes, however many.

Load processes keep plain numbers while they measure, which costs least, and send a histogram: it
is small, histograms of several processes and runs add up, and the JSON of a run can carry it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hdrh.histogram import HdrHistogram

_LONGEST_US = 600_000_000
_DIGITS = 3
PLOTTED_PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100)


class Latencies:
    """A histogram of latencies in microseconds. Longer than 10 minutes counts as that."""

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, _LONGEST_US, _DIGITS)

    @classmethod
    def of(cls, latencies_us: Iterable[int]) -> Latencies:
        """Of single values."""
        made = cls()
        for one in latencies_us:
            made._histogram.record_value(min(max(one, 1), _LONGEST_US))
        return made

    @classmethod
    def decoded(cls, parts: Iterable[str]) -> Latencies:
        """The sum of encoded ones."""
        made = cls()
        for part in parts:
            made._histogram.add(HdrHistogram.decode(part.encode()))
        return made

    def encoded(self) -> str:
        """The standard compressed form (HdrHistogram V2), base64."""
        encoded: bytes = self._histogram.encode()
        return encoded.decode()

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    def ms(self, percent: float) -> float:
        """The latency that `percent` of them do not exceed, in milliseconds; 0 without any."""
        if not self.count:
            return 0.0
        microseconds: int = self._histogram.get_value_at_percentile(percent)
        return round(microseconds / 1000, 2)

    def curve(self) -> dict[str, float]:
        """Milliseconds by percentile, for a plot."""
        return {f"{percent:g}": self.ms(percent) for percent in PLOTTED_PERCENTILES}
