"""Tells devices that have lost their place, wherever they are.

Best effort beyond this pod: who does not hear of it finds out when its pod asserts it again,
because the Router remembers the kick.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.access.requests import LogicRequests
from services.access.session_table import SessionTable
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2


class Kicks:
    """What the Router says of losers, put into effect. One per pod."""

    def __init__(self, pod_id: str, table: SessionTable, requests: LogicRequests) -> None:
        self._pod_id = pod_id
        self._table = table
        self._requests = requests

    def tell(self, user_id: str, losers: Iterable[router_pb2.Route]) -> None:
        """End their streams here, and have those elsewhere ended."""
        for route in losers:
            if route.pod_id == self._pod_id:
                self._table.kick(user_id, route.device_id, route.epoch)
                continue
            self._requests.kick(
                logic_pb2.Kicked(
                    user_id=user_id,
                    device_id=route.device_id,
                    epoch=route.epoch,
                    pod_id=route.pod_id,
                )
            )
