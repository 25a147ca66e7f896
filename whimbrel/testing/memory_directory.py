"""The Router's directory in memory, for tests: the same promises, an explicit clock.

It shares the rules (services/router/domain) with the Redis adapter; the contract suite runs on
both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.router.domain.platform_limit import (
    Rival,
    above,
    kicked,
    losers,
    lost_its_place,
    rivals,
    was_kicked,
)
from services.router.domain.routes import (
    as_route,
    bounded,
    left_behind,
    next_epoch,
    refuses,
)
from services.router.ports import Lease, Registry
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import unavailable
from whimbrel.core.route import LEFT, StoredRoute


class MemoryDirectory:
    """A Directory. `clock` gives milliseconds since the epoch, as Redis TIME does."""

    def __init__(
        self, clock: Callable[[], int], *, lease_seconds: float = 10.0, route_seconds: float = 60.0
    ) -> None:
        self.away = False
        """True: everything raises UNAVAILABLE, as with a Redis that does not answer."""
        self._clock = clock
        self._lease_ms = round(lease_seconds * 1000)
        self._route_ms = round(route_seconds * 1000)
        self._lives = 0
        self.flush()

    def flush(self) -> None:
        """What FLUSHALL does: everything is gone, and the registry has another id."""
        self._lives += 1
        self._pods: dict[str, tuple[int, router_pb2.Pod]] = {}
        self._routes: dict[str, dict[str, StoredRoute]] = {}

    async def register(self, pod: router_pb2.Pod) -> Lease:
        now = self._now()
        known = self._pods.get(pod.pod_id)
        copy = router_pb2.Pod()
        copy.CopyFrom(pod)
        self._pods[pod.pod_id] = (now + self._lease_ms, copy)
        was_known = known is not None and known[0] > now and known[1].incarnation == pod.incarnation
        return Lease(was_known, self._registry_id)

    async def unregister(self, pod_id: str, incarnation: str) -> None:
        self._now()
        known = self._pods.get(pod_id)
        if known is not None and known[1].incarnation == incarnation:
            del self._pods[pod_id]

    async def registry(self) -> Registry:
        now = self._now()
        pods = (pod for _, (deadline, pod) in sorted(self._pods.items()) if deadline > now)
        return Registry(self._registry_id, tuple(pods))

    async def attach(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Attachment]:
        now = self._now()
        return [self._attach(session, now) for session in sessions]

    async def reassert(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Assertion]:
        now = self._now()
        return [self._reassert(session, now) for session in sessions]

    async def detach(self, sessions: Sequence[router_pb2.Session]) -> None:
        self._now()
        for session in sessions:
            stored = self._stored(session)
            if stored is not None and stored.epoch == bounded(session.epoch):
                del self._routes[session.user_id][session.device_id]

    async def locate(self, user_ids: Sequence[str]) -> list[router_pb2.UserRoutes]:
        now = self._now()
        return [
            router_pb2.UserRoutes(
                routes=[
                    as_route(device_id, route)
                    for device_id, route in self._routes.get(user_id, {}).items()
                    if route.leads(now)
                ]
            )
            for user_id in user_ids
        ]

    @property
    def _registry_id(self) -> str:
        return f"life-{self._lives}"

    def _now(self) -> int:
        if self.away:
            raise unavailable("the directory does not answer", retry_after_seconds=0.2)
        return self._clock()

    def _attach(self, session: router_pb2.Session, now: int) -> router_pb2.Attachment:
        stored = self._stored(session)
        answer = router_pb2.Attachment(
            previous_pod_id=stored.pod_id if stored else "",
            previous_instance_id=stored.instance_id if stored else "",
        )
        answer.over_limit = was_kicked(stored, session.instance_id, now)
        if answer.over_limit or refuses(stored, session):
            return answer
        found = self._rivals(session, now)
        refuse = session.over_limit == router_pb2.OVER_LIMIT_REFUSE
        if found and refuse and len(found) >= session.platform_limit:
            return router_pb2.Attachment(over_limit=True)
        for device_id, loser in losers(found, session.platform_limit):
            answer.kicked.append(as_route(device_id, loser))
            self._routes[session.user_id][device_id] = kicked(loser, now + self._route_ms)
        epoch = max(next_epoch(stored, session.epoch, now), above(found))
        answer.epoch = self._write(session, epoch, now).epoch
        behind = left_behind(stored, session, now)
        if behind is not None:
            self._routes[session.user_id][LEFT + session.device_id] = behind
        return answer

    def _reassert(self, session: router_pb2.Session, now: int) -> router_pb2.Assertion:
        stored = self._stored(session)
        epoch = bounded(session.epoch)
        if stored is None or stored.epoch <= epoch:
            found = self._rivals(session, now)
            limit = session.platform_limit
            gone = bool(limit) and lost_its_place(found, limit, session.device_id, epoch)
            stored = self._write(session, epoch, now)
            if gone:
                stored = kicked(stored, now + self._route_ms)
                self._routes[session.user_id][session.device_id] = stored
        instance_id = "" if stored.is_kicked else stored.instance_id
        return router_pb2.Assertion(epoch=stored.epoch, instance_id=instance_id)

    def _rivals(self, session: router_pb2.Session, now: int) -> list[Rival]:
        if not session.platform_limit:
            return []
        return rivals(self._routes.get(session.user_id, {}), session, now)

    def _stored(self, session: router_pb2.Session) -> StoredRoute | None:
        return self._routes.get(session.user_id, {}).get(session.device_id)

    def _write(self, session: router_pb2.Session, epoch: int, now: int) -> StoredRoute:
        route = StoredRoute(
            epoch,
            bounded(session.attempt),
            now + self._route_ms,
            session.pod_id,
            session.incarnation,
            session.instance_id,
            session.platform,
        )
        self._routes.setdefault(session.user_id, {})[session.device_id] = route
        return route
