"""What Whimbrel wants to reach on two cores that carry everything: servers, stores and load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Goal(NamedTuple):
    """One figure of `whimbrel bench all` and its bound."""

    key: str
    """Where it stands in the JSON; a dot goes into a nested bench."""
    is_at_most: bool
    bound: float
    meaning: str


class Verdict(NamedTuple):
    """A goal and what was measured; None when it was not."""

    goal: Goal
    value: float | None

    @property
    def is_reached(self) -> bool | None:
        if self.value is None:
            return None
        if self.goal.is_at_most:
            return self.value <= self.goal.bound
        return self.value >= self.goal.bound


GOALS: Final = (
    Goal("messages_per_second", False, 5_000, "100 pairs, 100 bytes, 8 in flight, durable, acked"),
    Goal("p99_ms", True, 250, "in that closed loop"),
    Goal("core_ms_per_message", True, 0.25, "all server processes, in that closed loop"),
    Goal("lost", True, 0, "messages"),
    Goal("open_loop_core_ms_per_message", True, 0.9, "1,500 messages a second in an open loop"),
    Goal("latency.p50_ms_ratio", True, 4.5, "200 messages a second, times a bare durable insert"),
    Goal("latency.p99_ms_to_insert_p50_ratio", True, 10, "their 99 % to the half of the inserts"),
    Goal(
        "latency.p50_ms_to_paced_insert_ratio",
        True,
        4.5,
        "the same, times an insert of 200 a second",
    ),
    Goal(
        "latency.p99_ms_to_paced_insert_p50_ratio",
        True,
        10,
        "their 99 % to the half of those inserts",
    ),
    Goal("connections.kib_per_stream_ratio", True, 1.3, "an idle stream, times a bare one"),
    Goal("connections.attaches_per_second_ratio", False, 0.5, "attaches, times bare ones"),
    Goal("fanout.deliveries_per_second", False, 15_000, "in a group of 1,000, as fast as it goes"),
    Goal("fanout.group_1000_p50_ms", True, 150, "the last of 999 who are online has the message"),
    Goal("sync.one_device_seconds", True, 0.5, "10,000 waiting messages of 200 bytes"),
    Goal("sync.many_devices_seconds", True, 10, "1,000 devices with 100 waiting messages each"),
    Goal("scale.pods_4_to_1_core_ms_per_message_ratio", True, 1.15, "4 pods of each role to 1"),
    Goal("scale.users_100000_to_1000_core_ms_per_message_ratio", True, 1.1, "users who exist"),
)


def judge(found: Mapping[str, Any]) -> list[Verdict]:
    """Every goal with its figure in the JSON of `whimbrel bench all`. Pure."""
    return [Verdict(goal, figure_at(found, goal.key)) for goal in GOALS]


def figure_at(found: Mapping[str, Any], key: str) -> float | None:
    """The number at KEY or BENCH.KEY; None where there is none."""
    inner: Any = found
    for part in key.split("."):
        inner = inner.get(part) if isinstance(inner, Mapping) else None
    return float(inner) if isinstance(inner, int | float) else None
