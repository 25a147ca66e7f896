"""Pods, of what the registry says of processes: for whoever looks for a place, or counts.

An Access pod with several processes has an entry for each of them; where clients go, and what the
platform stops, is the pod. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from whimbrel.api.router.v1 import router_pb2


def pod_name(entry: router_pb2.Pod) -> str:
    """The pod that the entry is, or is a process of."""
    return entry.process_of.pod_id or entry.pod_id


def fold_processes(entries: Iterable[router_pb2.Pod]) -> list[router_pb2.Pod]:
    """Each pod once, in the order in which they come. Figures add up; a pod is cordoned as soon as
    one of its processes is, since all of them will be, and as old as the oldest."""
    by_pod: defaultdict[str, list[router_pb2.Pod]] = defaultdict(list)
    for entry in entries:
        by_pod[pod_name(entry)].append(entry)
    return [_fold(_latest_start(processes)) for processes in by_pod.values()]


def is_whole(entries: Iterable[router_pb2.Pod], pod_id: str) -> bool:
    """Whether the pod and all its processes are there and take work."""
    processes = _latest_start([entry for entry in entries if pod_name(entry) == pod_id])
    if not processes:
        return False
    wanted = processes[0].process_of.processes or 1
    return len(processes) == wanted and all(
        process.state == router_pb2.POD_STATE_ACTIVE for process in processes
    )


def _latest_start(processes: list[router_pb2.Pod]) -> list[router_pb2.Pod]:
    """Those of the pod's present life: an entry of an earlier one may outlive it by a lease."""
    if len(processes) < 2:
        return processes
    latest = max(processes, key=lambda process: process.started_ms).process_of.incarnation
    return [process for process in processes if process.process_of.incarnation == latest]


def _fold(processes: list[router_pb2.Pod]) -> router_pb2.Pod:
    first = processes[0]
    if not first.HasField("process_of"):
        return first
    pod = router_pb2.Pod()
    pod.CopyFrom(first)
    pod.ClearField("process_of")
    pod.pod_id, pod.incarnation = first.process_of.pod_id, first.process_of.incarnation
    pod.state = max(process.state for process in processes)
    pod.started_ms = min(process.started_ms for process in processes)
    pod.sessions = sum(process.sessions for process in processes)
    pod.arrivals_per_second = sum(process.arrivals_per_second for process in processes)
    limits = [process.max_sessions for process in processes]
    pod.max_sessions = sum(limits) if all(limits) else 0
    return pod
