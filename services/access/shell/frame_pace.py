"""How fast one stream is read. Pure: `now` is monotonic seconds.

What comes faster is not refused: it waits in the client's own buffers, because nobody reads it
(HTTP/2's flow control stops the sender after 64 KiB). So a hasty client loses nothing.
"""

from __future__ import annotations

from services.access.shell_settings import ShellSettings
from whimbrel.core.rate_gate import RateGate


class FramePace:
    """One per stream."""

    __slots__ = ("_bytes", "_frames")

    def __init__(self, settings: ShellSettings) -> None:
        self._frames = RateGate(settings.frames_per_second, settings.frames_burst)
        self._bytes = RateGate(settings.bytes_per_second, settings.bytes_burst)

    def read(self, items: int, size: int, now: float) -> float:
        """A frame of `size` bytes was read, with so many messages (1 for any other frame): the
        seconds until the next one may be."""
        wait = self._frames.pass_through(items, now)
        return max(wait, self._bytes.pass_through(size, now))
