"""What a Deployment would do next: which pods to start and which to stop.

Never fewer ready pods than wanted while a revision replaces another, never more than the surge
beyond them; pods that are being stopped do not count. Pure and level-triggered: it looks at what
is, so a second restart in the middle of the first one needs no special case.
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
    spare = sum(pod.is_ready for pod in present) - wanted.replicas
    surplus = len(present) - wanted.replicas
    stop: list[str] = []
    # With an older revision there, all of that goes in the end; else only what is too many.
    leaving = sorted(old or new, key=_cheapest)[: None if old else max(0, surplus)]
    for pod in leaving:
        if pod.is_ready:
            if spare <= 0:
                break
            spare -= 1
        stop.append(pod.name)
    return Steps(start, tuple(stop))


def _cheapest(pod: PodNow) -> tuple[bool, int, int]:
    """As a ReplicaSet removes them: not ready first, then by deletion cost; of equals, the oldest
    revision's oldest."""
    return pod.is_ready, pod.deletion_cost, pod.number
