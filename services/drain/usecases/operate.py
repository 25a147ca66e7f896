"""What operators ask for, and the refusals that say what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from services.drain.domain.drains import no_room
from services.drain.domain.facts import ACCESS, Cluster, PodFacts
from services.drain.domain.planner import Planner
from services.drain.domain.plans import Plan, PlanKind
from services.drain.domain.wishes import SCALE_IN
from services.drain.ports import Platform, Workload
from services.drain.usecases.lead import Leader
from services.drain.usecases.reconcile import Reconcile
from whimbrel.core.drain.grace import LONGEST_SECONDS, drain_seconds, least_seconds
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid, unavailable

MOST_PODS: Final = 1_000
_MOST_NAMED: Final = 10


class Drained(NamedTuple):
    """The plan that was made or found, and what the operator should know."""

    plan: Plan
    warnings: list[str]


class Scaled(NamedTuple):
    """How many there were meant to be, and who goes."""

    previous: int
    leaving: list[str]


class Operate:
    """Requests to the leader; every other controller refuses them."""

    def __init__(
        self,
        platform: Platform,
        leader: Leader,
        reconcile: Reconcile,
        planner: Planner,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._platform = platform
        self._leader = leader
        self._reconcile = reconcile
        self._planner = planner
        self._clock = clock
        self._wall_clock = wall_clock

    def start_drain(self, pod_id: str, deadline_seconds: float, *, force: bool) -> Drained:
        """Empty a pod within so long; 0: the controller's default."""
        cluster = self._cluster()
        pod = _find(cluster, pod_id)
        plan = self._planner.book.of(pod_id)
        if plan is not None and plan.kind is PlanKind.DRAIN:
            return Drained(plan, [])
        if pod.report is None:
            raise unavailable(
                f"{pod_id} does not attend to this controller, so it cannot be told anything;"
                " look at its log, then try again"
            )
        seconds = deadline_seconds or self._planner.limits.deadline_seconds
        if seconds > LONGEST_SECONDS:
            raise invalid(f"a drain may take {LONGEST_SECONDS:.0f} s at most, not {seconds:.0f}")
        warnings = self._check(cluster, pod, seconds, force=force)
        self._planner.wishes.ask(pod_id, seconds, is_forced=force)
        self._reconcile.look()
        made = self._planner.book.of(pod_id)
        if made is None:
            raise unavailable(f"{pod_id} has gone at this very moment")
        return Drained(made, warnings)

    def abort_drain(self, pod_id: str) -> Plan:
        """The pod shall work again. Of a rebalance: it keeps what it has."""
        cluster = self._cluster()
        pod = _find(cluster, pod_id)
        plan = self._planner.book.of(pod_id)
        if plan is None:
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"{pod_id} is not being drained")
        if pod.ends_in_seconds is not None:
            raise invalid(
                f"{pod_id} is being stopped ({plan.cause}) and ends in"
                f" {pod.ends_in_seconds:.0f} s: nobody can call that off"
            )
        if pod.platform is not None and pod.platform.drain_wanted:
            raise invalid(
                f"{pod_id} is drained because its node is, or its annotation says so: uncordon"
                " the node or remove the annotation, and the drain ends by itself"
            )
        if plan.kind is PlanKind.REBALANCE:
            self._planner.rebalances.call_off(pod_id, self._wall_ms())
            self._planner.rebalances.rest(self._clock())
        elif plan.cause == SCALE_IN:
            self._planner.scale_in.cancel()
        self._planner.wishes.drop(pod_id)
        self._reconcile.look()
        return plan

    async def restart(self, role: str, surge: int) -> str:
        """Replace every pod of a role; the new revision."""
        workload = self._workload(role)
        if workload.replicas == 0:
            raise invalid(f"there is no {role} pod to restart: scale it up instead")
        revision = await self._platform.restart(role, max(1, surge))
        self._reconcile.soon()
        return revision

    async def scale(self, role: str, replicas: int) -> Scaled:
        """Want so many pods of a role."""
        workload = self._workload(role)
        if replicas > MOST_PODS:
            raise invalid(f"at most {MOST_PODS} pods of a role, not {replicas}")
        if role != ACCESS:
            await self._platform.scale(role, replicas)
            return Scaled(workload.replicas, [])
        if replicas < 1:
            raise invalid(
                "one Access pod must stay, because its clients have nowhere else to go;"
                " stop the whole stack if that is what you want"
            )
        scale_in = self._planner.scale_in
        if replicas < workload.replicas:
            leaving = scale_in.begin(replicas, self._cluster(), self._planner.book)
            self._reconcile.look()
            return Scaled(workload.replicas, leaving)
        scale_in.cancel()
        if replicas > workload.replicas:
            await self._platform.scale(role, replicas)
        self._reconcile.soon()
        return Scaled(workload.replicas, [])

    # --- inside ----------------------------------------------------------------------

    def _check(self, cluster: Cluster, pod: PodFacts, seconds: float, *, force: bool) -> list[str]:
        """The warnings of a drain; raises for what must not be done."""
        drains = self._planner.drains
        leaving = {plan.pod_id for plan in self._planner.book.holding(PlanKind.DRAIN)}
        wishes = self._planner.wishes.find(cluster, self._planner.scale_in.victims, None)
        places = drains.places_for(cluster, [*wishes, *leaving, pod.pod_id], pod.sessions)
        if not places.targets:
            raise invalid(
                f"{pod.pod_id} is the last open Access pod: its clients have nowhere to go."
                f" Start another one first (whimbrel scale access={len(cluster.pods) + 1})"
            )
        warnings = []
        if not places.takes(pod.sessions):
            told = no_room(places, pod.sessions)
            warnings.append(f"{told} (it waits)" if not force else told)
        rate = drains.full_rate(places)
        least, whole = least_seconds(pod.sessions, rate), drain_seconds(pod.sessions, rate)
        figures = f"{pod.sessions} sessions at {rate:.0f} a second"
        if seconds < least and not force:
            raise invalid(
                f"{figures} need {least:.0f} s to be asked once: in {seconds:.0f} s some would be"
                f" thrown out unasked. Give it --deadline {whole:.0f}, or --force if that is meant"
            )
        if seconds < whole:
            warnings.append(
                f"{figures} need {whole:.0f} s: in {seconds:.0f} s some may be thrown out"
            )
        return warnings

    def _cluster(self) -> Cluster:
        self._leader.check_leads()
        self._reconcile.look()  # a tenure that has just begun forgets first, and then is asked
        if not self._reconcile.has_view:
            raise unavailable("the platform has not answered yet; try again")
        cluster = self._reconcile.cluster
        if cluster.pods and not any(pod.registered for pod in cluster.pods.values()):
            raise unavailable("no Router has said yet which pods there are; try again")
        return cluster

    def _workload(self, role: str) -> Workload:
        workloads = self._cluster().workloads
        if role not in workloads:
            known = ", ".join(sorted(workloads)) or "none"
            raise WhimbrelError(
                ErrorCode.NOT_FOUND, f"the platform has no {role} pods; the roles are: {known}"
            )
        return workloads[role]

    def _wall_ms(self) -> int:
        return round(self._wall_clock() * 1000)


def _find(cluster: Cluster, pod_id: str) -> PodFacts:
    pod = cluster.pods.get(pod_id)
    return pod if pod is not None else _refuse_unknown(cluster, pod_id)


def _refuse_unknown(cluster: Cluster, pod_id: str) -> NoReturn:
    role = cluster.roles.get(pod_id)
    if role is not None:
        raise invalid(
            f"{pod_id} is a {role} pod: only Access pods hold sessions. To replace it:"
            f" whimbrel rollout restart {role}"
        )
    named = ", ".join(list(cluster.pods)[:_MOST_NAMED]) or "none"
    raise WhimbrelError(
        ErrorCode.NOT_FOUND, f"there is no pod {pod_id!r}; the Access pods are: {named}"
    )
