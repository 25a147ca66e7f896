"""What a provider made of a notification, and what follows for the wake. Pure.

Each provider's own answers are turned into these five in its table (`apns_answers` and so on);
docs/operations/push.md shows them all.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

MAX_TRIES: Final = 12
"""Answers "try again" after which a wake goes to the dead letters: about an hour and a half."""
FIRST_RETRY_SECONDS: Final = 2.0
LAST_RETRY_SECONDS: Final = 1200.0
MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""A provider that asks for more is asked again after this."""


class Result(enum.Enum):
    """The five ways in which it ends."""

    DELIVERED = "delivered"
    """The provider has taken it."""
    DEAD_TOKEN = "dead_token"
    """The device's token will never work again: it is removed."""
    RETRY = "retry"
    """This notification did not pass now; others may."""
    REFUSED = "refused"
    """It never passes as it is: a dead letter, and somebody should look."""
    UNAVAILABLE = "unavailable"
    """The provider takes nothing now, or not from us: everything for it waits."""


class Outcome(NamedTuple):
    """A result with its reason."""

    result: Result
    reason: str = ""
    """The provider's own word for it, for people and metrics; never a token."""
    retry_after_seconds: float | None = None
    """As the provider asked for; None: as we think fit."""
    suffers: bool = False
    """The provider itself is in trouble, or did not answer: if that goes on it is left alone."""


DELIVERED: Final = Outcome(Result.DELIVERED)


class Follow(NamedTuple):
    """What becomes of the wake. `again_in_seconds` None: it is done with."""

    again_in_seconds: float | None = None
    counts_as_try: bool = False
    is_buried: bool = False
    """It goes to the dead letters."""
    forgets_token: bool = False


def follow(outcome: Outcome, tries: int, dice: float) -> Follow:
    """What follows from an outcome after `tries` that came to nothing.

    `dice` in [0, 1): waits are spread over their second half ("equal jitter"; Brooker,
    "Exponential Backoff And Jitter", 2015), and never end before the provider's Retry-After.
    """
    if outcome.result is Result.DELIVERED:
        return Follow()
    if outcome.result is Result.DEAD_TOKEN:
        return Follow(forgets_token=True)
    if outcome.result is Result.REFUSED or (
        outcome.result is Result.RETRY and tries + 1 >= MAX_TRIES
    ):
        return Follow(is_buried=True)
    step = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0**tries)
    asked = min(outcome.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
    wait = max(step, asked) if asked else step * (0.5 + dice / 2)
    return Follow(
        again_in_seconds=wait * (1 + dice / 10 if asked else 1),
        counts_as_try=outcome.result is Result.RETRY,
    )
