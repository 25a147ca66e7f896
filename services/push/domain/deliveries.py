"""What an attempt to deliver events came to, and when there is another. Pure."""

from __future__ import annotations

import enum
from typing import Final

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 600.0
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0


class Result(enum.Enum):
    """What the receiver did with them."""

    TAKEN = "delivered"
    """2xx."""
    UNWANTED = "unwanted"
    """410: it wants none of them, now or later."""
    FAILED = "failed"
    """Everything else: they are tried again."""


def result_of(status: int) -> Result:
    """Of an answer with this HTTP status."""
    if 200 <= status < 300:
        return Result.TAKEN
    return Result.UNWANTED if status == 410 else Result.FAILED


def pause_seconds(attempts: int, chance: float, asked_seconds: float | None = None) -> float:
    """How long to wait after the failure number `attempts` (from 1) in a row. `chance` is drawn
    from [0, 1). Between half of a rung and the whole, the rungs double from 1 s to 10 min; never
    less than the receiver asks for by Retry-After, of which an hour counts at most."""
    rung = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 20))
    asked = min(asked_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    return max(rung * (0.5 + chance / 2), asked)
