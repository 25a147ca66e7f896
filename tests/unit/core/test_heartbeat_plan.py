"""Which heartbeat holds in which app state and on which network, and what a lost stream proves."""

from __future__ import annotations

import pytest

from whimbrel.core.heartbeat_plan import REMEMBERED_NETWORKS, HeartbeatPlan
from whimbrel.core.nat_probe import Learned, Phase


class Device:
    """A plan, and streams on a network with a NAT."""

    def __init__(self, **arguments: object) -> None:
        self.now = 0.0
        self.plan = HeartbeatPlan(foreground_seconds=30.0, **arguments)  # type: ignore[arg-type]
        self.attach()

    def attach(self) -> None:
        self.plan.attached(30.0, 60.0, 270.0, self.now)

    def ping(self, timeout: float = 1e9, *, does_next_attempt_work: bool = True) -> None:
        idle = self.plan.interval_seconds
        self.now += idle
        if idle < timeout:
            self.plan.answered(idle, self.now)
            return
        self.plan.lost(idle)
        if not does_next_attempt_work:
            self.plan.attempt_failed()
        self.attach()


def test_the_foreground_is_fixed_and_the_background_is_found_out() -> None:
    device = Device()
    for _ in range(10):
        assert device.plan.interval_seconds == 30.0
        device.ping()
    device.plan.set_background(True)
    intervals = []
    for _ in range(6):
        intervals.append(device.plan.interval_seconds)
        device.ping()
    assert intervals == [60, 60, 60, 90, 120, 150]
    device.plan.set_background(False)
    assert device.plan.interval_seconds == 30.0
    device.plan.set_background(True)
    assert device.plan.interval_seconds == 180.0, "where it was"


def test_a_server_without_bounds_gets_the_fixed_interval_always() -> None:
    plan = HeartbeatPlan(foreground_seconds=30.0, is_background=True)
    plan.attached(20.0, 0.0, 0.0, 0.0)
    assert not plan.is_adaptive
    assert plan.interval_seconds == 20.0
    plan.answered(1_000.0, 1.0)
    plan.lost(1_000.0)
    assert plan.take_learned() == {}


def test_a_lost_ping_counts_only_when_the_next_attempt_works() -> None:
    device = Device(is_background=True)
    for _ in range(4):
        device.ping()
    assert device.plan.interval_seconds == 120.0
    for _ in range(20):  # lifts, tunnels
        device.ping(timeout=100.0, does_next_attempt_work=False)
    assert device.plan.interval_seconds == 120.0
    device.ping(timeout=100.0)
    device.ping(timeout=100.0)
    assert device.plan.interval_seconds == 80.0
    assert device.plan.take_learned() == {"": Learned(80.0, is_settled=True)}


def test_a_stream_that_ends_without_a_ping_on_its_way_proves_nothing() -> None:
    device = Device(is_background=True)
    for _ in range(10):
        device.plan.lost(None)
        device.attach()
    assert device.plan.statistics().phase is Phase.MINIMUM
    for _ in range(3):
        device.ping()
    assert device.plan.interval_seconds == 90.0


def test_each_network_has_its_own_search() -> None:
    device = Device(is_background=True, network_id="home")
    for _ in range(5):
        device.ping()
    assert device.plan.interval_seconds == 150.0
    device.plan.set_network("cell", device.now)
    assert device.plan.interval_seconds == 60.0
    device.plan.set_network(None, device.now)
    assert device.plan.statistics().phase is None
    device.plan.set_network("home", device.now)
    assert device.plan.interval_seconds == 150.0


@pytest.mark.parametrize("other", [None, "cell"])
def test_a_stream_that_was_lost_with_its_network_proves_nothing(other: str | None) -> None:
    device = Device(is_background=True, network_id="home")
    for _ in range(5):
        device.ping()
    for _ in range(5):
        device.plan.set_network(other, device.now)
        device.plan.lost(150.0)
        device.plan.set_network("home", device.now)
        device.attach()
    assert device.plan.interval_seconds == 150.0


def test_an_answer_on_the_stream_of_another_network_proves_nothing() -> None:
    device = Device(is_background=True, network_id="home")
    device.plan.set_network("cell", device.now)
    for _ in range(10):
        device.plan.answered(60.0, device.now)
    assert device.plan.interval_seconds == 60.0


def test_what_an_earlier_life_learned_holds_from_the_first_welcome() -> None:
    learned = {"home": Learned(200.0, is_settled=True), "cell": Learned(60.0, is_settled=True)}
    device = Device(is_background=True, network_id="home", learned=learned)
    assert device.plan.interval_seconds == 200.0
    assert device.plan.take_learned() == {}, "nothing new"


def test_only_so_many_networks_are_remembered() -> None:
    learned = {str(n): Learned(90.0, is_settled=True) for n in range(REMEMBERED_NETWORKS + 9)}
    device = Device(is_background=True, network_id="8", learned=learned)
    assert device.plan.interval_seconds == 60.0
    device.plan.set_network("9", device.now)
    assert device.plan.interval_seconds == 90.0


def test_a_network_that_is_doubted_is_forgotten_in_the_store_too() -> None:
    learned = {"home": Learned(200.0, is_settled=True)}
    device = Device(is_background=True, network_id="home", learned=learned)
    for _ in range(3):
        device.ping(timeout=50.0)
    assert device.plan.take_learned() == {"home": None}
    assert device.plan.take_learned() == {}
