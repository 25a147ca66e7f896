"""The directory in Redis. It holds only what pods will say again if it is lost.

Keys: `route:{user}` is a hash of device -> packed route; `{registry}:pods` a hash of pod_id ->
deadline|incarnation|Pod; `{registry}:id` names this life of the store. Deadlines are by Redis
TIME.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router.adapters import directory_scripts as scripts
from services.router.domain.routes import as_route, bounded
from services.router.ports import Lease, Registry
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import unavailable
from whimbrel.core.route import REGISTRY_ID_KEY, route_key
from whimbrel.runtime.redis_round_trip import Argument, round_trip
from whimbrel.runtime.route_reading import read_routes

_PODS: Final = "{registry}:pods"

_RETRY_SECONDS: Final = 0.2


class RedisDirectory:
    """A Directory. `lease_seconds` is for pods, `route_seconds` for routes that nobody
    asserts, `timeout_seconds` for one round trip."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_seconds: float,
        route_seconds: float,
        timeout_seconds: float = 1.0,
    ) -> None:
        self._redis = redis
        self._timeout_seconds = timeout_seconds
        self._lease_ms = round(lease_seconds * 1000)
        self._route_ms = round(route_seconds * 1000)

    async def register(self, pod: router_pb2.Pod) -> Lease:
        (answer,) = await self._run(
            scripts.REGISTER,
            [
                (
                    (_PODS, REGISTRY_ID_KEY),
                    (
                        pod.pod_id,
                        pod.incarnation,
                        pod.SerializeToString(),
                        self._lease_ms,
                        secrets.token_hex(8),
                    ),
                )
            ],
        )
        known, registry_id = answer
        return Lease(was_known=known == 1, registry_id=registry_id.decode())

    async def unregister(self, pod_id: str, incarnation: str) -> None:
        await self._run(scripts.UNREGISTER, [((_PODS,), (pod_id, incarnation))])

    async def registry(self) -> Registry:
        (answer,) = await self._run(
            scripts.REGISTRY, [((_PODS, REGISTRY_ID_KEY), (secrets.token_hex(8),))]
        )
        pods = sorted(map(router_pb2.Pod.FromString, answer[1:]), key=lambda pod: pod.pod_id)
        return Registry(answer[0].decode(), tuple(pods))

    async def attach(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Attachment]:
        answers = await self._run(scripts.ATTACH, [self._session(one) for one in sessions])
        return [
            router_pb2.Attachment(
                epoch=int(epoch),
                previous_pod_id=pod.decode(),
                previous_instance_id=instance.decode(),
                over_limit=bool(over_limit),
                kicked=_kicked(kicked),
            )
            for epoch, pod, instance, over_limit, kicked in answers
        ]

    async def reassert(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Assertion]:
        answers = await self._run(scripts.REASSERT, [self._session(one) for one in sessions])
        return [
            router_pb2.Assertion(epoch=int(epoch), instance_id=instance.decode())
            for epoch, instance in answers
        ]

    async def detach(self, sessions: Sequence[router_pb2.Session]) -> None:
        await self._run(
            scripts.DETACH,
            [((route_key(one.user_id),), (one.device_id, bounded(one.epoch))) for one in sessions],
        )

    async def locate(self, user_ids: Sequence[str]) -> list[router_pb2.UserRoutes]:
        read = await read_routes(self._redis, user_ids, timeout_seconds=self._timeout_seconds)
        return [
            router_pb2.UserRoutes(routes=[as_route(device, route) for device, route in routes])
            for routes in read.routes
        ]

    def _session(self, session: router_pb2.Session) -> tuple[tuple[str], tuple[Argument, ...]]:
        return (route_key(session.user_id),), (
            session.device_id,
            bounded(session.epoch),
            bounded(session.attempt),
            session.pod_id,
            session.incarnation,
            session.instance_id,
            self._route_ms,
            session.platform,
            session.platform_limit,
            int(session.over_limit == router_pb2.OVER_LIMIT_REFUSE),
            bounded(session.ticket_epoch),
        )

    async def _run(
        self,
        script: str,
        calls: Sequence[tuple[tuple[str, ...], tuple[Argument, ...]]],
    ) -> list[Any]:
        """Run one script for many calls in one round trip.

        The first call carries the text, which makes Redis know it, the others its hash: a
        Redis that was started again needs no second try, and the order stays as it is.
        """
        if not calls:
            return []
        digest = sha1(script.encode(), usedforsecurity=False).hexdigest()
        commands: list[tuple[Argument, ...]] = [
            ("EVALSHA" if index else "EVAL", digest if index else script, len(keys), *keys, *rest)
            for index, (keys, rest) in enumerate(calls)
        ]
        return await self._ask(commands, writes=True)

    async def _ask(self, commands: Sequence[tuple[Argument, ...]], *, writes: bool) -> list[Any]:
        answers = await round_trip(
            self._redis, commands, writes=writes, timeout_seconds=self._timeout_seconds
        )
        for answer in answers:
            if isinstance(answer, RedisError):
                raise unavailable(
                    "the directory does not answer",
                    retry_after_seconds=_RETRY_SECONDS,
                    outcome_unknown=writes,
                ) from answer
        return answers


def _kicked(fields: list[bytes]) -> list[router_pb2.Route]:
    """The losers of an attach, four fields each."""
    return [
        router_pb2.Route(
            device_id=fields[i].decode(),
            pod_id=fields[i + 1].decode(),
            incarnation=fields[i + 2].decode(),
            epoch=int(fields[i + 3]),
        )
        for i in range(0, len(fields), 4)
    ]
