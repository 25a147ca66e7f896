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


def pause_seconds(attempts: int, chance: float, retry_after: str = "") -> float:
    """How long to wait after the failure number `attempts` (from 1) in a row. `chance` is drawn
    from [0, 1). Between half of a rung and the whole, the rungs double from 1 s to 10 min; never
    less than a Retry-After in seconds asks for, of which an hour counts at most."""
    rung = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 20))
    asked = min(float(retry_after), LONGEST_RETRY_AFTER_SECONDS) if _is_count(retry_after) else 0.0
    return max(rung * (0.5 + chance / 2), asked)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9
