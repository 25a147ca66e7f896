"""A pod as somebody sees it who looks for a place for sessions."""

from __future__ import annotations

from typing import NamedTuple


class Candidate(NamedTuple):
    """An Access pod that may be a target."""

    pod_id: str
    endpoint: str
    """host:port where clients reach it."""
    sessions: int
    revision: str = ""
    node: str = ""
    zone: str = ""
    started_at: float = 0.0
    """Seconds, on the clock of `now`."""
    is_open: bool = True
    """Takes sessions: active, ready, and not being stopped."""
    arrivals_per_second: float = 100.0
    """Its budget of arrivals by migration."""
    max_sessions: int = 0
    """0: any number."""
