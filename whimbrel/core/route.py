"""A device's route as the directory's Redis holds it: the one shape that two roles share.

The Router writes routes and answers for them; Logic may read them itself, in the place of a call
for each batch. One route is one string, epoch|attempt|expires_ms|pod_id|incarnation|instance_id|
platform: names have no "|" in them, Lua takes it apart with one pattern and Python with one
split. Pods of two versions read it during an upgrade: a new field goes to another key.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LEFT: Final = ">"
"""Stands before the device, and in place of the platform, in the route to a pod that the device has
just left by a ticket: no device and no platform has it in its name."""
REGISTRY_ID_KEY: Final = "{registry}:id"
"""Names this life of the store."""


def route_key(user_id: str) -> str:
    """Of the hash of device -> packed route."""
    return f"route:{{{user_id}}}"


class StoredRoute(NamedTuple):
    """One device's route as the store has it."""

    epoch: int
    attempt: int
    expires_ms: int
    pod_id: str
    incarnation: str
    """Empty: the device was kicked. What is left names its instance until it runs out."""
    instance_id: str
    platform: str

    def pack(self) -> str:
        """The string that the store holds."""
        return "|".join(map(str, self))

    @classmethod
    def unpack(cls, packed: str) -> StoredRoute:
        """The inverse of pack. ValueError for anything else."""
        epoch, attempt, expires_ms, *names = packed.split("|")
        pod_id, incarnation, instance_id, platform = names
        return cls(
            int(epoch), int(attempt), int(expires_ms), pod_id, incarnation, instance_id, platform
        )

    @property
    def is_left(self) -> bool:
        """Whether the device has moved away, and its old stream is still there."""
        return self.platform == LEFT

    @property
    def is_kicked(self) -> bool:
        """Whether this is what a kick has left, and no route."""
        return not self.incarnation

    def leads(self, now_ms: int) -> bool:
        """Whether the device is there now."""
        return self.expires_ms > now_ms and not self.is_kicked
