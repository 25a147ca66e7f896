"""What the controller says: orders to pods, and what it asks of the platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.drain.domain.grants import Share


class Rest(NamedTuple):
    """Nothing is wanted of the pod."""


class Drain(NamedTuple):
    """Be empty."""

    plan_id: str
    rate_per_second: float
    deadline_seconds: float
    shares: tuple[Share, ...]


class Shed(NamedTuple):
    """Give some sessions away."""

    plan_id: str
    sessions: int
    """How many shall have left in all since the plan began."""
    rate_per_second: float
    shares: tuple[Share, ...]


Order = Rest | Drain | Shed
REST = Rest()


class Release(NamedTuple):
    """The pod is empty and unwanted: the platform may remove it."""

    pod_id: str


class MarkVictim(NamedTuple):
    """At scale-in this one goes first."""

    pod_id: str
    cost: int


class SetReplicas(NamedTuple):
    """The victims are empty: want fewer pods now."""

    role: str
    replicas: int


Action = Release | MarkVictim | SetReplicas


@dataclass(frozen=True)
class PlannerLimits:
    """What the planner goes by; the settings explain each."""

    deadline_seconds: float = 60.0
    operator_per_second: float = 1_000.0
    route_store_per_second: float = 2_000.0
    default_budget_per_second: float = 100.0
    unheard_seconds: float = 15.0
    rebalances: bool = True
