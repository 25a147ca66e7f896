"""The pods that one process believes in: a machine over the tables that a Router sends.

A pod enters with the first table that has it, and leaves only when tables that are not empty
have lacked it for a whole lease: an empty registry says that Redis was lost, not that everybody
died (rule 12). Pure: `now` comes in as monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from whimbrel.api.router.v1 import router_pb2

LEASE_SECONDS: Final = 10.0
"""A pod that is alive renews every 3 s: after a lost registry it is back well within this."""


class PodTable:
    """`pods` is what to believe now, by pod_id."""

    def __init__(self, lease_seconds: float = LEASE_SECONDS) -> None:
        self.pods: dict[str, router_pb2.Pod] = {}
        self._lease_seconds = lease_seconds
        self._missing_since: dict[str, float] = {}
        self._registry_id: str | None = None

    def see(self, pods: Iterable[router_pb2.Pod], registry_id: str, now: float) -> bool:
        """Take in a table; True when `pods` has changed."""
        seen = {pod.pod_id: pod for pod in pods}
        if registry_id != self._registry_id or not seen:
            # A registry that begins anew: absence from the one before counts for nothing.
            self._missing_since.clear()
            self._registry_id = registry_id
        if seen:
            for pod_id in self.pods:
                if pod_id not in seen:
                    self._missing_since.setdefault(pod_id, now)
        changed = any(self.pods.get(pod_id) != pod for pod_id, pod in seen.items())
        for pod_id in seen:
            self._missing_since.pop(pod_id, None)
        self.pods.update(seen)
        return self.expire(now) or changed

    def expire(self, now: float) -> bool:
        """Drop who was missing for a lease; True when somebody was."""
        gone = [
            pod_id
            for pod_id, since in self._missing_since.items()
            if now - since >= self._lease_seconds
        ]
        for pod_id in gone:
            del self._missing_since[pod_id], self.pods[pod_id]
        return bool(gone)

    def unwatched(self) -> None:
        """Nobody tells us anything for now: time that passes unseen counts for nothing."""
        self._missing_since.clear()
