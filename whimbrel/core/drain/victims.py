"""Who goes at a scale-in. Pure, and the same answer whoever asks.

Whom it costs least: who leaves anyway, then the fewest sessions, then those of an old revision
(an upgrade would move their sessions all the same), then the zone that has most pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

_STEP: Final = 0.25
"""Sessions are compared in steps of a quarter of the mean: a handful more or less must not decide
against revision and zones."""


class Holder(NamedTuple):
    """A pod that may have to go."""

    pod_id: str
    sessions: int
    revision: str = ""
    zone: str = ""
    is_leaving: bool = False
    """It is being emptied or stopped already."""
    is_ready: bool = True


def choose_victims(holders: Iterable[Holder], count: int, newest_revision: str) -> list[str]:
    """The ids of `count` pods that go, in the order in which to empty them; all if there are
    fewer. `newest_revision` is what new pods get."""
    left = sorted(holders)
    mean = sum(holder.sessions for holder in left) / max(1, len(left))
    chosen: list[str] = []
    while left and len(chosen) < count:
        zones = Counter(holder.zone for holder in left)  # anew each time: it has one less now
        victim = min(left, key=lambda holder: _cost(holder, mean, zones, newest_revision))
        left.remove(victim)
        chosen.append(victim.pod_id)
    return chosen


def _cost(
    holder: Holder, mean: float, zones: Counter[str], newest_revision: str
) -> tuple[bool, bool, int, bool, int, int, str]:
    return (
        not holder.is_leaving,
        holder.is_ready,
        round(holder.sessions / (mean * _STEP)) if mean else 0,
        holder.revision == newest_revision,
        -zones[holder.zone],
        holder.sessions,
        holder.pod_id,
    )
