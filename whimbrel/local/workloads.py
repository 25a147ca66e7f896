"""What a Deployment would do next: which pods to start and which to stop.

Never fewer ready pods than wanted while a revision replaces another, never more than the surge
beyond them; pods that are being stopped do not count. Pure and level-triggered: it looks at what
is, so a second restart in the middle of the first one, a rollback and a pod that died need no
special case. Source of the limits: the Deployment controller of Kubernetes (`rolling.go`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class WantedPods:
    """All pods of a role as they should be."""

    role: str
    replicas: int
    revision: str
    surge: int = 1
    """Pods beyond `replicas` while others of an older revision are there."""


class PodNow(NamedTuple):
    """A pod that is not being stopped."""

    name: str
    number: int
    """Rises with each pod of the role: the highest is the youngest."""
    revision: str
    is_ready: bool
    deletion_cost: int = 0


class Steps(NamedTuple):
    """What to do now; the rest follows when that has changed something."""

    start: int
    """New pods of the wanted revision."""
    stop: tuple[str, ...]


def next_steps(wanted: WantedPods, pods: Iterable[PodNow]) -> Steps:
    """Compare and act. Never stops a ready pod before its successor is ready."""
    present = list(pods)
    new = [pod for pod in present if pod.revision == wanted.revision]
    old = [pod for pod in present if pod.revision != wanted.revision]
    room = wanted.replicas + (max(1, wanted.surge) if old else 0) - len(present)
    start = max(0, min(wanted.replicas - len(new), room))
    if not old:
        return Steps(start, _too_many(wanted, new))
    return Steps(start, _outdated(wanted, new, old))


def _too_many(wanted: WantedPods, pods: list[PodNow]) -> tuple[str, ...]:
    """As a ReplicaSet removes them: not ready first, then by deletion cost, then the youngest."""
    order = sorted(pods, key=lambda pod: (pod.is_ready, pod.deletion_cost, -pod.number))
    return tuple(pod.name for pod in order[: max(0, len(pods) - wanted.replicas)])


def _outdated(wanted: WantedPods, new: list[PodNow], old: list[PodNow]) -> tuple[str, ...]:
    """Those of another revision that are not needed any more: not ready first, then by deletion
    cost, then the oldest."""
    unready_new = sum(not pod.is_ready for pod in new)
    # One that is not ready may be so again in a moment, and its successor never: it stays until
    # there is somebody in its place.
    surplus = len(new) + len(old) - wanted.replicas - unready_new
    spare = sum(pod.is_ready for pod in (*new, *old)) - wanted.replicas
    stop: list[str] = []
    for pod in sorted(old, key=lambda pod: (pod.is_ready, pod.deletion_cost, pod.number)):
        if len(stop) >= surplus or (pod.is_ready and spare <= 0):
            break
        spare -= pod.is_ready
        stop.append(pod.name)
    return tuple(stop)
