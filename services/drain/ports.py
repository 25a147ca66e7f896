"""What the controller needs of the platform that runs the pods. Two real adapters and a memory
one; one contract suite holds them together.

Level-triggered: a view says what is, not what happened, and whoever missed ten views is as wise
after the eleventh.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the domain stands on this module
    from services.drain.domain.plans import Plan


@dataclass(frozen=True)
class PlatformPod:
    """A pod as the platform knows it."""

    pod_id: str
    role: str
    revision: str
    node: str = ""
    zone: str = ""
    ready: bool = False
    deleted_in_seconds: float | None = None
    """It is being stopped, and will be killed after so long; None when it is not."""
    drain_wanted: bool = False
    """Somebody wants it empty: the annotation whimbrel.io/drain, a cordoned or tainted node, an
    eviction that was refused."""
    deletion_cost: int = 0
    """At scale-in lower ones go first."""


@dataclass(frozen=True)
class Workload:
    """All pods of one role. `replicas` is how many are wanted, `revision` what new pods get."""

    role: str
    replicas: int
    revision: str


@dataclass(frozen=True)
class PlatformView:
    """Everything at one moment."""

    pods: tuple[PlatformPod, ...] = ()
    workloads: tuple[Workload, ...] = ()


class Platform(Protocol):
    """Whatever runs the pods. Every method raises WhimbrelError: UNAVAILABLE when the platform
    does not answer, NOT_FOUND for what it does not have, INVALID_ARGUMENT for what it refuses,
    PERMISSION_DENIED, with what is lacking, when it does not let this controller: whoever asked
    for it did nothing wrong. Every method is safe to repeat."""

    def watch(self) -> AsyncIterator[PlatformView]:
        """The view as it is, then again after each change and at least every 5 minutes. Raises
        UNAVAILABLE when it breaks; the caller watches again, after a backoff."""
        ...

    async def scale(self, role: str, replicas: int) -> None:
        """Want so many pods. With fewer than before the platform removes pods that are not
        ready first, then those of the lowest deletion_cost."""
        ...

    async def restart(self, role: str, surge: int) -> str:
        """Replace all pods of a role, `surge` beyond the wanted number at a time; the new
        revision. Returns when it is begun."""
        ...

    async def set_deletion_cost(self, pod_id: str, cost: int) -> None:
        """For scale-in."""
        ...

    async def release(self, pod_id: str) -> None:
        """The pod is empty and unwanted (its node is drained, an eviction waits): remove it; the
        platform puts another one elsewhere if it is wanted."""
        ...


@dataclass(frozen=True)
class Tenure:
    """One life of a leader."""

    term: int
    """Fencing number: above every earlier one, whoever held it. Time-ordered (milliseconds since
    the Unix epoch or one more than the last), so that a lost lease object cannot lower it."""
    holder: str
    """Who leads; only `is_own` says whether that is us."""
    is_own: bool


class Leadership(Protocol):
    """The lease that makes one of several controllers the leader."""

    async def hold(self, min_term: int) -> Tenure:
        """Take the lease if it is free or has run out, renew it if it is ours; called every
        third of the lease's duration. A new tenure has a term above `min_term` and above the
        last one. UNAVAILABLE when the platform does not answer: a leader whose last success is
        a lease's duration ago leads no more."""
        ...

    async def resign(self) -> None:
        """Give it back, if it is ours. Best effort."""
        ...


class PlanObserver(Protocol):
    """Whoever wants to know how plans go: told after each look, never asked, and not the owner
    of what it sees."""

    def see(self, held: Sequence[Plan], ended: Sequence[Plan], wall_ms: int) -> None:
        """The plans that hold a pod, none when this controller does not lead; those that have
        ended since the last call; milliseconds since the Unix epoch. Must not raise nor wait."""
        ...
