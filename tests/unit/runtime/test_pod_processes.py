"""Processes become pods: figures add up, and an earlier life does not count."""

from __future__ import annotations

from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.pod_processes import fold_processes, is_whole

ACTIVE, DRAINING = router_pb2.POD_STATE_ACTIVE, router_pb2.POD_STATE_DRAINING


def process(
    number: int,
    *,
    pod: str = "access-0",
    start: str = "a",
    started_ms: int = 1_000,
    state: router_pb2.PodState.ValueType = ACTIVE,
    max_sessions: int = 500,
) -> router_pb2.Pod:
    return router_pb2.Pod(
        pod_id=f"{pod}.{number}",
        incarnation=f"{start}{number}",
        role=router_pb2.POD_ROLE_ACCESS,
        client_endpoint=f"{pod}:7400",
        sessions=10 * number,
        arrivals_per_second=6,
        max_sessions=max_sessions,
        started_ms=started_ms,
        state=state,
        process_of=router_pb2.ProcessOf(pod_id=pod, incarnation=start, processes=2),
    )


def test_the_processes_of_a_pod_are_one_pod_whose_figures_add_up() -> None:
    entries = [process(1, started_ms=1_000), process(2, started_ms=9_000)]
    (pod,) = fold_processes(entries)
    assert (pod.pod_id, pod.incarnation, pod.client_endpoint) == ("access-0", "a", "access-0:7400")
    assert (pod.sessions, pod.arrivals_per_second, pod.max_sessions) == (30, 12, 1_000)
    assert pod.started_ms == 1_000  # one that was started again does not make the pod young
    assert not pod.HasField("process_of")


def test_a_pod_without_several_processes_stays_as_it_is() -> None:
    alone = router_pb2.Pod(pod_id="access-1", incarnation="b", sessions=7)
    assert fold_processes([alone, process(1), process(2)])[0] == alone


def test_a_pod_with_one_process_that_leaves_is_leaving() -> None:
    (pod,) = fold_processes([process(1), process(2, state=DRAINING)])
    assert pod.state == DRAINING


def test_one_process_without_a_limit_leaves_the_pod_without_one() -> None:
    (pod,) = fold_processes([process(1), process(2, max_sessions=0)])
    assert pod.max_sessions == 0


def test_entries_of_an_earlier_start_do_not_count() -> None:
    (pod,) = fold_processes([process(1, start="b", started_ms=5_000), process(2)])
    assert (pod.incarnation, pod.sessions) == ("b", 10)
    alone = router_pb2.Pod(pod_id="access-0", incarnation="c", sessions=1, started_ms=9_000)
    assert fold_processes([alone, process(1), process(2)]) == [alone]


def test_a_pod_is_whole_when_all_its_processes_take_work() -> None:
    assert is_whole([process(1), process(2)], "access-0")
    assert not is_whole([process(1)], "access-0")
    assert not is_whole([process(1), process(2, state=DRAINING)], "access-0")
    assert not is_whole([process(1), process(2)], "access-1")
    logic = router_pb2.Pod(pod_id="logic-0", state=ACTIVE)
    assert is_whole([logic], "logic-0")
