"""Who takes part in a soak and who says what to whom: decided by the seed, not by what happens.

When things are said is not: a cluster that is slow gets the same messages later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final, NamedTuple

from whimbrel.core.names import direct_conversation

CLIENT_KINDS: Final = ("abandon", "slow", "deaf")
"""What clients do to a cluster: die and come back with their store, read slowly, never read."""
_SIZES: Final = ((0.70, 20, 200), (0.95, 800, 1_200), (0.99, 6_000, 9_000), (1.0, 50_000, 60_000))
"""(share of the messages up to here, least bytes, most bytes)"""


@dataclass(frozen=True)
class SoakSpec:
    """What to do; shares are of all devices or messages."""

    seconds: float = 60.0
    users: int = 50
    rate: float = 200.0
    """Messages a second in all."""
    seed: int = 7
    client_kinds: frozenset[str] = frozenset(CLIENT_KINDS)
    prefix: str = "u"
    """Users are called prefix + number. On a cluster that others use it has to be new."""
    group_size: int = 6
    group_share: float = 0.2
    second_device_share: float = 0.5
    restless_share: float = 0.2
    slow_share: float = 0.1
    deaf_share: float = 0.06

    def __post_init__(self) -> None:
        if self.users < 2 or self.rate <= 0 or self.seconds <= 0:
            raise ValueError("a soak needs 2 users, a rate and a time above 0")
        unknown = self.client_kinds - set(CLIENT_KINDS)
        if unknown:
            raise ValueError(f"clients do not know how to do {sorted(unknown)}")

    def as_json(self) -> dict[str, Any]:
        """For the history's first line."""
        return {**asdict(self), "client_kinds": sorted(self.client_kinds)}


class DevicePlan(NamedTuple):
    """A device and its habits."""

    user: str
    device: str
    reader: str
    """As in events.Started."""
    is_restless: bool
    """It has a store, is abandoned now and then, and comes back."""

    @property
    def client(self) -> str:
        return f"{self.user}/{self.device}"


class GroupPlan(NamedTuple):
    """The first member creates it."""

    name: str
    members: tuple[str, ...]


class SendPlan(NamedTuple):
    """A message; it waits `pause` seconds after the one before."""

    pause: float
    id: str
    client: str
    recipient: str | None
    """A user; None: `group` says where to."""
    group: int | None
    body: bytes


class Plan:
    """Everything that the seed decides."""

    def __init__(self, spec: SoakSpec) -> None:
        self.spec = spec
        random = Random(spec.seed)
        self.users = [f"{spec.prefix}{number}" for number in range(spec.users)]
        self.devices = [one for user in self.users for one in _devices(user, spec, random)]
        self.deaf = _deaf(self.users, spec, random)
        size = min(spec.group_size, spec.users)
        self.groups = [
            GroupPlan(f"soak {number}", tuple(random.sample(self.users, size)))
            for number in range(max(1, spec.users // spec.group_size))
        ]

    def sends(self) -> Iterator[SendPlan]:
        """The messages, without end."""
        spec, random = self.spec, Random(f"sends {self.spec.seed}")
        number = 0
        while True:
            number += 1
            identifier = f"{spec.seed}-{number}"
            group = recipient = None
            if random.random() < spec.group_share:
                group = random.randrange(len(self.groups))
                users: tuple[str, ...] = self.groups[group].members
                sender = random.choice([one for one in self.devices if one.user in users])
            else:
                sender = random.choice(self.devices)
                recipient = random.choice([user for user in self.users if user != sender.user])
            body = _body(identifier, random)
            pause = random.expovariate(spec.rate)
            yield SendPlan(pause, identifier, sender.client, recipient, group, body)

    def absences(self, client: str) -> Iterator[tuple[float, float]]:
        """(seconds present, seconds away) of a restless device, without end."""
        random = Random(f"absences {self.spec.seed} {client}")
        while True:
            yield random.uniform(3.0, 12.0), random.uniform(0.1, 3.0)

    def turn(self, client: str) -> int:
        """Which endpoint a client tries first, as a number to be taken modulo their count."""
        return Random(f"turn {self.spec.seed} {client}").randrange(1_000_000)


def members_of(plan: Plan, send: SendPlan) -> tuple[str, ...]:
    """The users whom a message is for, the sender included."""
    if send.group is not None:
        return plan.groups[send.group].members
    sender = send.client.partition("/")[0]
    return (sender, send.recipient or sender)


def direct_of(send: SendPlan) -> str:
    """The conversation of a direct message."""
    sender = send.client.partition("/")[0]
    return direct_conversation(sender, send.recipient or sender)


def _devices(user: str, spec: SoakSpec, random: Random) -> Iterator[DevicePlan]:
    names = ["phone", "desktop"] if random.random() < spec.second_device_share else ["phone"]
    for name in names:
        is_restless = random.random() < spec.restless_share
        is_slow = random.random() < spec.slow_share
        slow = "slow" if is_slow and "slow" in spec.client_kinds else "prompt"
        yield DevicePlan(user, name, slow, is_restless and "abandon" in spec.client_kinds)


def _deaf(users: list[str], spec: SoakSpec, random: Random) -> list[DevicePlan]:
    if "deaf" not in spec.client_kinds:
        return []
    count = max(1, round(spec.deaf_share * len(users)))
    return [DevicePlan(user, "deaf", "deaf", False) for user in random.sample(users, count)]


def _body(identifier: str, random: Random) -> bytes:
    chance = random.random()
    least, most = next((low, high) for share, low, high in _SIZES if chance < share)
    size = random.randint(least, most)
    said = f"message {identifier} ".encode()
    return (said * (size // len(said) + 1))[:size]
