"""Get the keys of somebody's devices: to write to them for the first time, or to see whether they
are still the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.device_store_mongo import MongoDeviceStore
from services.gateway.domain.device_keys import Bundle
from services.gateway.key_ports import DeviceKeyStore
from services.gateway.key_settings import KeySettings
from whimbrel.api.social.v1 import social_pb2 as pb
from whimbrel.api.social.v1.social_pb2_grpc import SocialServiceStub
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.token_bucket import Rate, TokenBuckets
from whimbrel.runtime.logic_pods import LogicPods, ask

_MINUTE = 60.0
_HOUR = 3600.0


class FetchKeys:
    """One per process: it counts who asks how often."""

    def __init__(
        self,
        keys: DeviceKeyStore,
        devices: MongoDeviceStore,
        accounts: MongoAccountStore,
        logic: LogicPods,
        settings: KeySettings,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._keys = keys
        self._devices = devices
        self._accounts = accounts
        self._logic = logic
        self._clock = clock
        self._fetches = TokenBuckets(Rate(settings.fetches_per_minute, _MINUTE))
        self._takes = TokenBuckets(Rate(settings.prekeys_per_hour, _HOUR))

    async def bundles(
        self, caller: str, user_id: str, device_id: str | None = None
    ) -> Sequence[Bundle]:
        """One for each of the user's devices that has published, or of that one device. Raises
        OVERLOADED for who asks too often, NOT_FOUND without such a user, and BLOCKED or
        NOT_FRIENDS for who may not write to the user."""
        devices = await self._devices_of(caller, user_id)
        wanted = [one for one in devices if device_id in (None, one)]
        # Names have no slash. Who has had enough of them still gets all that is needed to write.
        may_take = not self._takes.take(f"{caller}/{user_id}", self._clock())
        return await self._keys.take(user_id, wanted, with_prekeys=may_take)

    async def identities(self, caller: str, user_id: str) -> Sequence[Bundle]:
        """The same without one-time prekeys, which stay for those who need them. Raises as
        `bundles`, of whose fetches each is one."""
        devices = await self._devices_of(caller, user_id)
        return await self._keys.take(user_id, devices, with_prekeys=False)

    async def _devices_of(self, caller: str, user_id: str) -> list[str]:
        wait = self._fetches.take(caller, self._clock())
        if wait:
            raise WhimbrelError(
                ErrorCode.OVERLOADED, "too many fetches of keys", retry_after_seconds=wait
            )
        await self._accounts.need([user_id])
        if caller != user_id:
            await self._need_reach(caller, user_id)
        return [one.device_id for one in await self._devices.list(user_id)]

    async def _need_reach(self, caller: str, user_id: str) -> None:
        request = pb.CheckReachRequest(caller_id=caller, user_id=user_id)
        await ask(self._logic, caller, SocialServiceStub, lambda stub: stub.CheckReach, request)
