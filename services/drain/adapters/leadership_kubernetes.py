"""Leadership by a Lease object, with a term of our own beside the holder.

Who may take it is decided as client-go does: a holder that has not renewed within its duration
*by our own monotonic clock, since we first saw its last renewal* has lost it. Times that others
wrote are compared for being equal, never with a clock. Who takes it is decided by the API
server: an update carries the version that was read, and the second one gets a 409.

client-go says of its election that it does not fence. The term does: it is raised in the same
update as the holder changes, and pods refuse a lower one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from services.drain.adapters.kubernetes_calls import Json, KubernetesCalls, KubernetesError
from services.drain.ports import Tenure
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

TERM_ANNOTATION: Final = "whimbrel.io/term"
_ATTEMPTS: Final = 3
"""Reads after a lost race, within one `hold`."""
_RETRY_SECONDS: Final = 1.0


class KubernetesLeadership:
    """A Leadership. `holder` is unique for each process; a lease that is found in its name and
    was not taken by this object is taken again, with a new term.

    `lease_seconds` is at least 1, since the API counts whole ones; `clock` is monotonic and
    `wall_clock` seconds since the Unix epoch, both only for what we write and observe ourselves.
    """

    def __init__(
        self,
        calls: KubernetesCalls,
        *,
        namespace: str,
        name: str,
        holder: str,
        lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._namespace = namespace
        self._name = name
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._holder = holder
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._own_term: int | None = None
        self._seen: tuple[object, ...] | None = None
        self._seen_at = 0.0

    async def hold(self, min_term: int) -> Tenure:
        """As the port says. Ends within two thirds of the lease's duration, so that whoever
        fails to renew knows it before the others may take over."""
        try:
            async with asyncio.timeout(self._lease_seconds * 2 / 3):
                return await self._hold(min_term)
        except TimeoutError:
            raise unavailable(f"the lease {self._name} was not renewed in time") from None

    async def resign(self) -> None:
        """Empties the holder, so that the next one need not wait; the term stays."""
        if self._own_term is None:
            return
        self._own_term = None
        try:
            lease = await self._calls.get(f"{self._folder}/{self._name}")
            if lease["spec"].get("holderIdentity") == self._holder:
                lease["spec"] |= {"holderIdentity": "", "renewTime": self._now()}
                await self._calls.update(f"{self._folder}/{self._name}", lease)
        except WhimbrelError as error:
            _log.info("resign_failed", detail=error.detail)  # it runs out by itself

    async def _hold(self, min_term: int) -> Tenure:
        for _ in range(_ATTEMPTS):
            try:
                return await self._try_to_hold(min_term)
            except KubernetesError as error:
                # Another one was first, or the object came or went since it was read.
                if not error.is_conflict and not error.is_missing:
                    raise
        raise unavailable(
            f"the lease {self._name} is in dispute", retry_after_seconds=_RETRY_SECONDS
        )

    async def _try_to_hold(self, min_term: int) -> Tenure:
        try:
            lease = await self._calls.get(f"{self._folder}/{self._name}")
        except KubernetesError as error:
            if not error.is_missing:
                raise
            self._own_term = None
            return await self._create(min_term)
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        stored = _term_of(lease)
        if holder == self._holder and self._own_term == stored and stored >= min_term:
            return await self._renew(lease, stored)
        if holder not in ("", self._holder) and not self._has_run_out(spec, stored):
            self._own_term = None
            return Tenure(term=stored, holder=holder, is_own=False)
        return await self._take(lease, self._next_term(stored, min_term))

    async def _renew(self, lease: Json, term: int) -> Tenure:
        lease["spec"] |= {"renewTime": self._now(), "leaseDurationSeconds": self._duration()}
        await self._calls.update(f"{self._folder}/{self._name}", lease)
        return Tenure(term=term, holder=self._holder, is_own=True)

    async def _take(self, lease: Json, term: int) -> Tenure:
        self._own_term = None
        spec = lease.get("spec") or {}
        lease["spec"] = spec | {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self._duration(),
            "acquireTime": self._now(),
            "renewTime": self._now(),
            "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1,
        }
        notes = lease["metadata"].get("annotations") or {}
        lease["metadata"]["annotations"] = notes | {TERM_ANNOTATION: str(term)}
        await self._calls.update(f"{self._folder}/{self._name}", lease)
        return self._won(term)

    async def _create(self, min_term: int) -> Tenure:
        term = self._next_term(0, min_term)
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "annotations": {TERM_ANNOTATION: str(term)},
            },
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": self._duration(),
                "acquireTime": self._now(),
                "renewTime": self._now(),
                "leaseTransitions": 0,
            },
        }
        await self._calls.create(self._folder, lease)
        return self._won(term)

    def _won(self, term: int) -> Tenure:
        self._own_term = term
        _log.info("leadership_taken", term=term)
        return Tenure(term=term, holder=self._holder, is_own=True)

    def _has_run_out(self, spec: Json, term: int) -> bool:
        """Whether this very state of the lease has stood for its duration under our eyes."""
        state = (spec.get("holderIdentity"), spec.get("renewTime"), term)
        now = self._clock()
        if state != self._seen:
            self._seen, self._seen_at = state, now
            return False
        duration = spec.get("leaseDurationSeconds") or self._duration()
        return now - self._seen_at >= duration

    def _next_term(self, stored: int, min_term: int) -> int:
        return max(stored + 1, min_term + 1, int(self._wall_clock() * 1000))

    def _duration(self) -> int:
        return math.ceil(self._lease_seconds)

    def _now(self) -> str:
        at = datetime.fromtimestamp(self._wall_clock(), UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _term_of(lease: Json) -> int:
    text = (lease["metadata"].get("annotations") or {}).get(TERM_ANNOTATION, "")
    return int(text) if text.isdecimal() else 0
