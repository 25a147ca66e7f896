"""This pod among the others: its lease and state in the registry, its reports to the controllers,
the pods that it knows, and the drain that follows from all that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from services.access.attending import Attending
from services.access.drain_parts import DrainParts
from services.access.draining import Draining
from services.access.presentation import candidates, describe, process_of, report
from services.access.session_table import SessionTable
from services.access.settings import AccessSettings
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.drain.targets import youngest_revision
from whimbrel.core.rendezvous import rank
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.loop_lag import LoopLag
from whimbrel.runtime.registration import Pods, Registration

_MAX_ENDPOINTS: Final = 4
_LOAD_SECONDS: Final = 2.0
"""How old the loads of the other pods are at most, beside the 3 s of their leases."""


class Membership:
    """One per pod. `loops` are its tasks."""

    def __init__(
        self,
        settings: AccessSettings,
        chassis: Chassis,
        router: router_pb2_grpc.RouterServiceStub,
        table: SessionTable,
        parts: DrainParts,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._chassis = chassis
        self._table = table
        self._parts = parts
        self._clock = clock
        self._client_endpoint = settings.stream.client_endpoint or chassis.address
        self._process_of = process_of(settings)
        self._started_ms = round(time.time() * 1000)
        self._phase_changed = asyncio.Event()
        self._lag = LoopLag(self._see_lag)
        self.registration = Registration(
            router,
            self._pod,
            watch_roles=(
                router_pb2.POD_ROLE_LOGIC,
                router_pb2.POD_ROLE_ACCESS,
                router_pb2.POD_ROLE_DRAIN,
            ),
            load_interval_seconds=_LOAD_SECONDS,
        )
        self.draining = Draining(
            parts.drain,
            parts.moves,
            parts.chooser,
            table,
            settings.drain,
            access_pods=lambda: len(self._access_pods()),
            on_phase=self._on_phase,
            clock=clock,
        )
        self._attending = Attending(self._report, self.draining.order, chassis.dial)
        self.registration.on_pods(self._see_pods)
        self.registration.on_pods(self._attending.see)

    @property
    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What has to run for as long as the pod does, by name."""
        return {
            "registration": self.registration.run,
            "draining": self.draining.run,
            "attending": self._attending.run,
            "loop-lag": self._lag.run,
            "phase": self._follow_phase,
        }

    def endpoints(self, user_id: str) -> list[str]:
        """Where a user may connect, this pod first while it takes sessions."""
        others = {
            pod.client_endpoint
            for pod in self._access_pods()
            if pod.state == router_pb2.POD_STATE_ACTIVE and pod.client_endpoint
        } - {self._client_endpoint}
        return [self._client_endpoint, *rank(user_id, others)][:_MAX_ENDPOINTS]

    def status(self) -> tuple[DrainPhase, int]:
        """The phase, and the sessions."""
        return self._parts.drain.phase, len(self._table)

    @property
    def loop_lag_ms(self) -> float:
        """How late the event loop was at its worst in the last 5 s."""
        return self._lag.worst_ms

    # --- inside ----------------------------------------------------------------------

    def _access_pods(self) -> list[router_pb2.Pod]:
        pods = self.registration.pods.values()
        return [pod for pod in pods if pod.role == router_pb2.POD_ROLE_ACCESS]

    def _pod(self) -> router_pb2.Pod:
        parts = self._parts
        pod = describe(self._settings, parts.drain.phase, parts.arrivals, len(self._table))
        pod.pod_id, pod.incarnation = self._chassis.pod_id, self._chassis.incarnation
        pod.address, pod.client_endpoint = self._chassis.address, self._client_endpoint
        pod.started_ms = self._started_ms
        if self._process_of is not None:
            pod.process_of.CopyFrom(self._process_of)
        return pod

    def _report(self) -> drain_pb2.AttendRequest:
        parts, now = self._parts, self._clock()
        own = report(parts.drain, parts.arrivals.figures(now), self._lag.worst_ms, now)
        own.pod_id, own.incarnation = self._chassis.pod_id, self._chassis.incarnation
        own.sessions = len(self._table)
        own.arrivals_per_second = round(parts.arrivals.per_second)
        if self._process_of is not None:
            own.process_of.CopyFrom(self._process_of)
        return own

    def _see_pods(self, pods: Pods) -> None:
        known = candidates(pods.values(), self._clock(), time.time())
        own_id = self._settings.pod_name
        revision = youngest_revision(one for one in known if one.pod_id != own_id)
        self._parts.chooser.see(known, leaving=own_id, revision=revision, now=self._clock())

    def _see_lag(self, lag_ms: float) -> None:
        self._parts.arrivals.see_loop_lag(lag_ms, self._clock())

    def _on_phase(self, _: DrainPhase) -> None:
        self.registration.renew()
        self._attending.report_soon()
        self._phase_changed.set()

    async def _follow_phase(self) -> None:
        """Readiness is the pod's own word (rule 25)."""
        while True:
            await self._phase_changed.wait()
            self._phase_changed.clear()
            await self._chassis.set_serving(not self._parts.drain.is_cordoned)
