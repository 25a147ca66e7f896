"""Who lives in a world: users with their devices, groups whose members change, and what is said."""

from __future__ import annotations

import asyncio
from random import Random

from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.inbox_types import Received
from whimbrel.core.names import direct_conversation
from whimbrel.testing.memory_cluster.cluster import Cluster
from whimbrel.testing.memory_cluster.device import Device
from whimbrel.testing.memory_cluster.plan import Plan
from whimbrel.testing.memory_cluster.record import Record

_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
_REPLY_SHARE = 0.1


class People:
    """All devices; `talk` makes them write."""

    def __init__(self, plan: Plan, cluster: Cluster, record: Record, random: Random) -> None:
        self._plan = plan
        self._cluster = cluster
        self._record = record
        self._random = random
        self._texts = 0
        self._replies = True
        self.users = _NAMES[: plan.users]
        self.groups = {
            f"g:{number}": tuple(sorted(random.sample(self.users, max(2, plan.users - 1))))
            for number in range(plan.groups)
        }
        cluster.stores.conversations.groups.update(self.groups)
        self.devices = [
            Device(
                user,
                name,
                cluster.connect,
                record,
                random,
                think_seconds=plan.think_seconds,
                on_heard=self._heard,
            )
            for number, user in enumerate(self.users)
            for name in ("phone", "desk")[: 1 + (number < plan.second_devices)]
        ]

    @property
    def are_current(self) -> bool:
        """Whether nobody waits for anything that a device can know of."""
        return all(device.is_current for device in self.devices)

    def any_device(self) -> Device:
        """One of them."""
        return self._random.choice(self.devices)

    async def talk(self, seconds: float) -> None:
        """Write the plan's messages, spread over this time."""
        pause = seconds / self._plan.messages
        for _ in range(self._plan.messages):
            await asyncio.sleep(self._random.expovariate(1 / pause))
            device = self.any_device()
            burst = 4 if self._random.random() < 0.1 else 1
            conversation = self._conversation_of(device.user)
            for _ in range(burst):
                self._say(device, conversation)

    def everybody_speaks(self) -> None:
        """Each device writes once to each other user; nobody replies from now on."""
        self._replies = False
        for device in self.devices:
            for user in self.users:
                if user != device.user:
                    self._say(device, direct_conversation(device.user, user))

    def change_members(self) -> None:
        """Somebody joins or leaves a group."""
        if not self.groups:
            return
        conversation = self._random.choice(list(self.groups))
        user = self._random.choice(self.users)
        self._set_members(conversation, set(self.groups[conversation]) ^ {user})

    def set_member(self, user: str, conversation: str, *, is_member: bool) -> None:
        """The user joins or leaves; nothing happens to a direct conversation."""
        if conversation in self.groups:
            others = set(self.groups[conversation]) - {user}
            self._set_members(conversation, others | {user} if is_member else others)

    def _set_members(self, conversation: str, members: set[str]) -> None:
        if len(members) >= 2:
            self.groups[conversation] = tuple(sorted(members))
            self._cluster.stores.conversations.groups[conversation] = self.groups[conversation]

    def _conversation_of(self, user: str) -> str:
        own = [name for name, members in self.groups.items() if user in members]
        if own and self._random.random() < 0.5:
            return self._random.choice(own)
        other = self._random.choice([one for one in self.users if one != user])
        return direct_conversation(user, other)

    def _say(self, device: Device, conversation: str, after: int = 0) -> None:
        self._texts += 1
        members = self.groups.get(conversation) or tuple(conversation.split(":")[1:])
        device.say(conversation, f"text {self._texts}", members, after)

    def _heard(self, device: Device, received: Received[types_pb2.Message]) -> None:
        message = received.message
        conversation = message.conversation_id
        members = self.groups.get(conversation, (device.user,))
        if self._replies and device.user in members and self._random.random() < _REPLY_SHARE:
            self._say(device, conversation, message.message_id)
