"""How long a drain takes: the formula behind deadline warnings and the grace period of a pod.

    settle + sessions / rate + stragglers + goodbye

The same function is used by the controller, which warns, and by the check of the manifests,
which hold `terminationGracePeriodSeconds`. Pure.
"""

from __future__ import annotations

import math
from typing import Final

SETTLE_SECONDS: Final = 5.0
"""A cordoned pod waits so long until those who look for pods have noticed."""
STRAGGLER_SECONDS: Final = 10.0
"""For those who were asked last: their jitter, a try at a second target, and a paced end."""
GOODBYE_SECONDS: Final = 5.0
"""From the last stream to the end of the process: last frames, the lease, the stores."""
LONGEST_SECONDS: Final = 600.0
"""No plan may take longer: the cluster autoscaler kills a pod after 10 minutes whatever its grace
period says."""
MARGIN: Final = 1.25
"""What a grace period has on top of the formula: a rate that was halved once comes back within
it."""


def drain_seconds(sessions: int, rate_per_second: float) -> float:
    """Seconds from the order until the process may end; infinite when nothing can move."""
    if sessions < 0:
        raise ValueError("nobody holds fewer than no sessions")
    if sessions == 0:
        return SETTLE_SECONDS + GOODBYE_SECONDS
    if rate_per_second <= 0:
        return math.inf
    return SETTLE_SECONDS + sessions / rate_per_second + STRAGGLER_SECONDS + GOODBYE_SECONDS


def least_seconds(
    sessions: int, rate_per_second: float, settle_seconds: float = SETTLE_SECONDS
) -> float:
    """The shortest deadline at which everybody can at least be asked once: below it some are
    thrown out unasked, whatever happens."""
    if sessions == 0:
        return 0.0
    if rate_per_second <= 0:
        return math.inf
    return settle_seconds + sessions / rate_per_second


def grace_seconds(sessions: int, rate_per_second: float) -> int:
    """What `terminationGracePeriodSeconds` must be for pods of at most so many sessions, in whole
    seconds. Raises ValueError when that is beyond LONGEST_SECONDS: smaller pods then, or more."""
    needed = drain_seconds(sessions, rate_per_second) * MARGIN
    if needed > LONGEST_SECONDS:
        raise ValueError(
            f"{sessions} sessions at {rate_per_second:g} a second take {needed:g} s with the"
            f" margin, more than {LONGEST_SECONDS:g} s: hold fewer sessions in a pod"
        )
    return math.ceil(needed)
