"""Gives a process a wall clock that can be stepped while it runs, by libfaketime.

The library is preloaded; it reads the offset from a file, again each second. The monotonic clock
stays real, as a step of the machine's own clock leaves it. It must not be used for more than one
fault: what is measured in such a process is measured with a slower clock call.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from whimbrel.local.errors import StackError, make_folder

SEEN_WITHIN_SECONDS = 1.0
"""A step is seen by the process so long after it was set."""
_WHEEL = ("libfaketime", "libfaketime/vendor/libfaketime/src/libfaketime.so.1")


def find_faketime() -> Path | None:
    """The library: the wheel's, else the system's (Debian's package libfaketime); else None."""
    distribution, relative = _WHEEL
    try:
        path = Path(str(importlib.metadata.distribution(distribution).locate_file(relative)))
    except importlib.metadata.PackageNotFoundError:
        path = Path("/nonexistent")
    if path.is_file():
        return path
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def require_faketime() -> Path:
    """The same; raises StackError with what to install when there is none."""
    library = find_faketime()
    if library is None:
        raise StackError(
            "stepping a pod's clock needs libfaketime, which was not found: "
            "apt-get install -y libfaketime"
        )
    return library


def clock_environment(clock: Path) -> dict[str, str]:
    """What a process needs in its environment so that `step_clock` on this file steps its clock.

    Raises StackError when there is no libfaketime.
    """
    library = require_faketime()
    make_folder(clock.parent)
    step_clock(clock, 0.0)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": str(int(SEEN_WITHIN_SECONDS)),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def step_clock(clock: Path, seconds: float) -> None:
    """Let the clock be `seconds` ahead of the real one from now on; negative: behind."""
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+.3f}\n")
    new.replace(clock)
