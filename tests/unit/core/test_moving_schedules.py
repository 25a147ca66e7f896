"""Whatever happens while a device moves between pods, its application gets the whole timeline."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.core.moving_device import Device

TestMovingSchedules = Device.TestCase
TestMovingSchedules.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_five_thousand_schedules_of_moves_lose_nothing() -> None:
    long = settings(max_examples=5_000, stateful_step_count=100, deadline=None)
    run_state_machine_as_test(Device, settings=long)
