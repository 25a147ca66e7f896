"""The bounds of a lane, and what it counts. The lane itself is `usecases/send_wakes`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LaneLimits:
    """The figures of a lane."""

    max_in_flight: int = 400
    """Notifications on their way to the provider."""
    batch: int = 200
    """Wakes claimed and judged at once."""
    linger_seconds: float = 0.05
    """Between two claims: what becomes due meanwhile is judged together."""
    idle_seconds: float = 0.25
    """Between two claims that found nothing."""
    send_timeout_seconds: float = 10.0
    """For one notification."""
    lease_seconds: float = 45.0
    """After which a wake that was claimed and not settled is due again."""
    newer_delay_seconds: float = 3.0
    """When a wake is due that came while an older one of its key was being sent."""


@dataclass
class LaneStatistics:
    """Counts since the start, and what is there now."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Answers of the provider by result; and "buried"."""
    in_flight: int = 0
    is_open: bool = False
    """Whether the breaker holds everything back."""
    times_opened: int = 0
