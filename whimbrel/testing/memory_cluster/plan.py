"""What a world is made of and what is done to it: figures that a seed does not choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

FAULTS: Final[Mapping[str, float]] = {
    "cut_client": 4.0,
    "half_open": 2.0,
    "stall_client": 1.0,
    "cut_link": 2.0,
    "cut_answer": 1.0,
    "cut_push": 1.0,
    "expel_writer": 1.0,
    "blackout": 0.5,
    "kill_logic": 1.0,
    "kill_access": 1.0,
    "flush_redis": 1.0,
    "redis_behind": 1.0,
    "redis_away": 1.0,
    "router_away": 1.0,
    "mongo_away": 1.0,
    "lose_answer": 3.0,
    "half_write": 2.0,
    "restart_device": 1.0,
    "forget_device": 1.0,
    "change_members": 2.0,
}
"""Everything that the nemesis can do, with how often it does it compared with the rest."""


@dataclass(frozen=True)
class Plan:
    """One kind of world. Times are simulated seconds."""

    access_pods: int = 2
    logic_pods: int = 2
    users: int = 4
    second_devices: int = 1
    """How many of the users have two devices."""
    groups: int = 2
    messages: int = 40
    """Written while there is trouble; replies come on top."""
    trouble_seconds: float = 12.0
    fault_seconds: float = 0.5
    """Between two faults, on average."""
    faults: Mapping[str, float] = field(default_factory=lambda: FAULTS)
    """What the nemesis does: a weight for each."""
    quiet_seconds: float = 30.0
    """After the last fault everybody has everything within this time."""
    prompt_seconds: float = 5.0
    """Within this time an attached device gets what is accepted while nothing is wrong: so long a
    hole may live (promise 2). Without holes it is faster."""
    window_messages: int = 16
    think_seconds: float = 0.02
    """How long an application takes over a message, at most."""
    router_seconds: float = 0.0
    """How long the Router takes at most, each way, for what Access asks, on top of what a store
    takes."""
    clock_skew_ms: int = 150
    """How far the wall clock of a Logic pod may be off, either way."""
    clock_step_ms: int = 1
    """How coarse those clocks are."""

    def only(self, *faults: str, **changed: float) -> Plan:
        """This plan with these faults alone, equally often, and other figures."""
        figures = {**self.__dict__, **changed, "faults": dict.fromkeys(faults, 1.0)}
        return Plan(**figures)
