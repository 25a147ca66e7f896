"""Which pods a client is sent to: only those that take it, the emptier of two first."""

from __future__ import annotations

import random

from services.router.domain.choice import DICE_BITS, MAX_ENDPOINTS, choose_endpoints
from whimbrel.api.router.v1 import router_pb2


def access(number: int, sessions: int = 0) -> router_pb2.Pod:
    return router_pb2.Pod(
        pod_id=f"access-{number}",
        role=router_pb2.POD_ROLE_ACCESS,
        state=router_pb2.POD_STATE_ACTIVE,
        client_endpoint=f"host-{number}:1",
        sessions=sessions,
    )


def dice(seed: int) -> int:
    return random.Random(seed).getrandbits(DICE_BITS)


def test_only_active_access_pods_with_an_endpoint_are_chosen() -> None:
    logic, draining, cordoned, hidden = access(0), access(1), access(2), access(3)
    logic.role = router_pb2.POD_ROLE_LOGIC
    draining.state = router_pb2.POD_STATE_DRAINING
    cordoned.state = router_pb2.POD_STATE_CORDONED
    hidden.client_endpoint = ""
    pods = [logic, draining, cordoned, hidden, access(4)]
    for seed in range(20):
        assert choose_endpoints(pods, 3, dice(seed)) == ["host-4:1"]
    assert choose_endpoints([], 3, dice(0)) == []


def test_endpoints_do_not_repeat_and_keep_the_limit() -> None:
    pods = [access(number, number) for number in range(40)]
    for seed in range(50):
        chosen = choose_endpoints(pods, 5, dice(seed))
        assert len(chosen) == len(set(chosen)) == 5
    assert len(choose_endpoints(pods, 1_000, dice(0))) == MAX_ENDPOINTS
    assert len(choose_endpoints(pods[:2], 5, dice(0))) == 2


def test_the_same_dice_give_the_same_choice() -> None:
    pods = [access(number, number) for number in range(10)]
    assert choose_endpoints(pods, 3, dice(7)) == choose_endpoints(pods, 3, dice(7))


def test_of_two_pods_the_emptier_comes_first() -> None:
    for seed in range(50):
        pods = [access(0, 100), access(1, 5)]
        assert choose_endpoints(pods, 2, dice(seed)) == ["host-1:1", "host-0:1"]


def test_clients_that_follow_the_first_choice_stay_level() -> None:
    """With one draw the fullest of 10 pods would hold about 60 more than the average here."""
    pods = [access(number) for number in range(10)]
    roll = random.Random(1)
    for _ in range(5_000):
        (endpoint,) = choose_endpoints(pods, 1, roll.getrandbits(DICE_BITS))
        pods[int(endpoint.removeprefix("host-").removesuffix(":1"))].sessions += 1
    assert max(pod.sessions for pod in pods) - 500 <= 5


def test_every_pod_gets_its_turn() -> None:
    pods = [access(number) for number in range(5)]
    first = {choose_endpoints(pods, 1, dice(seed))[0] for seed in range(200)}
    assert len(first) == 5


def test_a_pod_with_several_processes_is_one_choice_with_the_sessions_of_all() -> None:
    processes = []
    for number in (1, 2):
        process = access(0, sessions=30)
        process.pod_id = f"access-0.{number}"
        process.process_of.CopyFrom(
            router_pb2.ProcessOf(pod_id="access-0", incarnation="a", processes=2)
        )
        processes.append(process)
    pods = [*processes, access(1, sessions=50)]
    for seed in range(20):
        assert choose_endpoints(pods, 3, dice(seed)) == ["host-1:1", "host-0:1"]
