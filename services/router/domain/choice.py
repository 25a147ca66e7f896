"""Which Access pods a client shall try: the power of two choices.

Of two pods drawn at random the emptier one comes first. That keeps the fullest pod close to
the average although the counts are seconds old, where "always the emptiest" would send
everybody to the same pod. Source: Mitzenmacher, "The Power of Two Choices in Randomized Load
Balancing" (1996).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.pod_processes import fold_processes

DICE_BITS: Final = 512
"""Random bits for one choice: 16 endpoints of up to 2^16 pods, two draws each."""

MAX_ENDPOINTS: Final = 16


def choose_endpoints(pods: Iterable[router_pb2.Pod], limit: int, dice: int) -> list[str]:
    """Up to `limit` (at most 16) client endpoints, best first, without repeats.

    Only Access pods that are active and say where clients reach them. `dice` is a random
    integer of DICE_BITS bits; the same dice give the same choice.
    """
    candidates = [
        (pod.sessions, pod.client_endpoint)
        for pod in fold_processes(pods)
        if pod.role == router_pb2.POD_ROLE_ACCESS
        and pod.state == router_pb2.POD_STATE_ACTIVE
        and pod.client_endpoint
    ]
    chosen: list[str] = []
    while candidates and len(chosen) < min(limit, MAX_ENDPOINTS):
        dice, one = divmod(dice, len(candidates))
        other = one
        if len(candidates) > 1:
            dice, step = divmod(dice, len(candidates) - 1)
            other = (one + 1 + step) % len(candidates)
        best = min((one, other), key=lambda index: candidates[index][0])
        chosen.append(candidates.pop(best)[1])
    return chosen
