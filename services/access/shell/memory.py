"""How much memory this process may take before it lets nobody in any more. Linux."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024
_SHARE: Final = 0.85
_STATM: Final = Path("/proc/self/statm")
_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_UNLIMITED: Final = 1 << 60


class MemoryWatermark:
    """Reads what the kernel says; 20 µs each time."""

    def __init__(self, mib: int) -> None:
        """`mib`: resident MiB; 0: 85 % of the container's limit, none without one."""
        self.limit_bytes = mib * _MIB or int(_container_limit() * _SHARE)
        """0: none."""
        self._page = resource.getpagesize()

    def resident_bytes(self) -> int:
        """What this process has at present; 0 where nobody says."""
        try:
            return int(_STATM.read_text().split()[1]) * self._page
        except OSError:
            return 0

    def is_exceeded(self) -> bool:
        """Whether it has more than it should."""
        return 0 < self.limit_bytes < self.resident_bytes()


def _container_limit() -> int:
    for file in _CGROUP_LIMITS:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _UNLIMITED:
            return int(text)
    return 0
