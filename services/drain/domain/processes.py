"""Pods, of what their processes say, and processes' orders, of what is wanted of their pod.

Everything else in the domain knows pods alone: reports of processes are folded before anybody
looks at them, and an order is divided after everybody has. A pod with one process passes through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from services.drain.domain.facts import Report
from services.drain.domain.grants import split_rate
from services.drain.domain.orders import Drain, Order, Rest
from whimbrel.core.drain.pacing import TargetHealth
from whimbrel.core.drain.pod_drain_types import DrainPhase


def fold_reports(reports: Mapping[str, Report]) -> dict[str, Report]:
    """What each pod says, by the pod: the sum of its processes."""
    by_pod = _by_pod(reports.values())
    return {pod_id: _fold(pod_id, processes) for pod_id, processes in by_pod.items()}


def divide_orders(orders: Mapping[str, Order], reports: Mapping[str, Report]) -> dict[str, Order]:
    """What is said to each process, by its name: of a rate and of a number to shed its part."""
    by_pod = _by_pod(reports.values())
    return {
        process_id: order
        for pod_id, whole in orders.items()
        for process_id, order in _divide(whole, by_pod.get(pod_id, ())).items()
    }


def _by_pod(reports: Collection[Report]) -> dict[str, list[Report]]:
    """Each pod's processes, by their names. Of two starts of a pod the one that more of them
    name; the other's processes are just ending."""
    by_pod: defaultdict[str, defaultdict[str, list[Report]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for report in sorted(reports, key=lambda one: one.pod_id):
        by_pod[report.pod_name][report.pod_incarnation].append(report)
    return {pod_id: max(starts.values(), key=len) for pod_id, starts in by_pod.items()}


def _fold(pod_id: str, processes: Sequence[Report]) -> Report:
    first = processes[0]
    if first.process_of is None:
        return first
    phase = _phase(processes, first.process_of.processes)
    # One that was just started again follows none yet; it is told within a second.
    plan_id = next((one.plan_id for one in processes if one.plan_id), "")
    following = [one for one in processes if one.plan_id == plan_id]
    ends = [one.stopping_in_seconds for one in processes if one.stopping_in_seconds is not None]
    return Report(
        pod_id=pod_id,
        incarnation=first.pod_incarnation,
        term=max(one.term for one in processes),
        phase=phase,
        plan_id=plan_id,
        sessions=sum(one.sessions for one in processes),
        planned=sum(one.planned for one in following),
        moved=sum(one.moved for one in following),
        deferred=sum(one.deferred for one in following),
        failed=sum(one.failed for one in following),
        forced=sum(one.forced for one in following),
        arrivals_per_second=sum(one.arrivals_per_second for one in processes),
        # One that was told to end by itself is started again: the pod ends when all do.
        stopping_in_seconds=min(ends) if len(ends) == len(processes) else None,
        cause=next((one.cause for one in processes if one.cause), ""),
        health=_health([one.health for one in processes]),
    )


def _phase(processes: Sequence[Report], wanted: int) -> DrainPhase:
    """The pod leaves ACTIVE with the first of them, and is EMPTY with the last: one that is not
    heard of, or has just been started again, may hold sessions."""
    leaving = [one.phase for one in processes if one.phase is not DrainPhase.ACTIVE]
    if not leaving:
        return DrainPhase.ACTIVE
    is_complete = len(leaving) == wanted
    return min(leaving) if is_complete else min(*leaving, DrainPhase.DRAINING)


def _health(processes: Sequence[TargetHealth]) -> TargetHealth:
    """Counts add up; of what is slow the slowest counts."""
    return TargetHealth(
        arrivals=sum(one.arrivals for one in processes),
        refused_busy=sum(one.refused_busy for one in processes),
        attach_p99_ms=max(one.attach_p99_ms for one in processes),
        loop_lag_ms=max(one.loop_lag_ms for one in processes),
    )


def _divide(order: Order, processes: Sequence[Report]) -> dict[str, Order]:
    if isinstance(order, Rest) or len(processes) < 2:
        return {one.pod_id: order for one in processes}
    held = {one.pod_id: max(1, one.sessions) for one in processes}
    rates = split_rate(order.rate_per_second, {name: (count, 1.0) for name, count in held.items()})
    if isinstance(order, Drain):
        return {name: order._replace(rate_per_second=rates[name]) for name in held}
    # Of those who were there when it began, so that the parts stay while sessions leave.
    counts = _parts(order.sessions, [max(1, one.sessions + one.moved) for one in processes])
    return {
        name: order._replace(sessions=count, rate_per_second=rates[name])
        for name, count in zip(held, counts, strict=True)
    }


def _parts(whole: int, weights: Sequence[int]) -> list[int]:
    """`whole` in proportion to the weights; the parts add up to it."""
    total, sums = sum(weights), [0]
    for weight in weights:
        sums.append(sums[-1] + weight)
    edges = [whole * one // total for one in sums]
    return [high - low for low, high in pairwise(edges)]
