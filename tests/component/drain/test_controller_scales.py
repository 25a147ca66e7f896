"""Pods come and go: rollouts, rollbacks, scale-in, scale-out, alone and across each other."""

from __future__ import annotations

from tests.component.drain.controller_world import until, world
from tests.component.drain.operated_controller import refused
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode


async def test_a_rollout_moves_every_session_once() -> None:
    async with world() as made:
        controller = await made.led(300, 300, 300)
        answer = await controller.restart()
        old = {"access-0", "access-1", "access-2"}
        await until(lambda: not old & made.pods.keys(), seconds=40.0)
        assert made.total == 900, "nobody was lost"
        assert {pod.revision for pod in made.platform.pods.values()} == {answer.revision}
        arrived = sum(pod.arrived for pod in made.pods.values())
        assert arrived == 900, "each client moved once"
        assert all(pod.drain.statistics().forced == 0 for pod in made.gone)

        async def are_done() -> bool:
            plans = (await controller.plans()).plans
            return [plan.outcome for plan in plans] == [drain_pb2.PLAN_OUTCOME_DONE] * 3

        await until(are_done)


async def test_a_rollback_in_the_middle_of_a_rollout_comes_to_an_end() -> None:
    async with world() as made:
        controller = await made.led(900, 900, 900)
        await controller.restart()
        await until(lambda: any(pod.drain.is_cordoned for pod in made.pods.values()))
        back = await controller.restart()  # the platform's rollback is one more rollout
        await until(
            lambda: (
                {pod.revision for pod in made.platform.pods.values()} == {back.revision}
                and len(made.pods) == 3
            ),
            40.0,
        )
        assert made.total == 2700


async def test_a_scale_in_empties_the_victim_before_the_number_is_lowered() -> None:
    async with world() as made:
        controller = await made.led(300, 100, 300)
        answer = await controller.scale(2)
        assert (answer.previous, list(answer.leaving_pod_ids)) == (3, ["access-1"])
        await until(lambda: "access-1" not in made.pods)
        assert made.platform.calls[-2:] == ["cost access-1 -1000", "scale access 2"]
        assert made.gone[0].sessions == 0
        assert made.total == 700
        plan = await controller.plan("access-1")
        assert plan is not None
        assert plan.cause == "scale-in"


async def test_a_new_leader_goes_on_with_a_scale_in() -> None:
    async with world() as made:
        first = await made.led(1500, 2500)
        second = await made.start_controller("drain-1")
        await first.scale(1)
        await until(lambda: made.pods["access-0"].sessions < 1450)
        await first.kill()
        await until(lambda: "access-0" not in made.pods)
        assert (await second.plans()).leads
        assert made.platform.calls[-1] == "scale access 1"
        assert made.total == 4000


async def test_a_scale_in_that_is_taken_back_frees_its_victim() -> None:
    async with world() as made:
        controller = await made.led(4000, 5000)
        await controller.scale(1)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.DRAINING)
        await controller.scale(2)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.ACTIVE, seconds=5.0)
        assert made.total == 9000
        assert "scale access 1" not in made.platform.calls


async def test_the_last_access_pod_is_not_scaled_away() -> None:
    async with world() as made:
        controller = await made.led(10, 10)
        error = await refused(controller.scale(0))
        assert error.code is ErrorCode.INVALID_ARGUMENT
        assert "one Access pod must stay" in error.detail
        error = await refused(controller.scale(2, role="flap"))
        assert error.code is ErrorCode.NOT_FOUND
        assert "the roles are: access" in error.detail


async def test_after_a_scale_out_the_sessions_are_spread() -> None:
    async with world() as made:
        controller = await made.led(600, 600, rebalances=True)
        answer = await controller.scale(3)
        assert answer.previous == 2

        def is_even() -> bool:
            held = [pod.sessions for pod in made.pods.values()]
            return len(held) == 3 and max(held) <= 1.05 * sum(held) / 3

        await until(is_even, seconds=30.0)
        assert made.total == 1200
        least = 2 * (600 - 420)
        assert sum(pod.arrived for pod in made.pods.values()) <= 1.1 * least

        async def are_done() -> bool:
            plans = (await controller.plans()).plans
            return len(plans) == 2 and all(
                plan.outcome == drain_pb2.PLAN_OUTCOME_DONE and plan.cause == "scale-out"
                for plan in plans
            )

        await until(are_done)


async def test_a_rebalance_stands_still_during_a_drain() -> None:
    async with world() as made:
        controller = await made.led(4000, 4000, 100, rebalances=True)
        made.pods["access-2"].moves_blocked = True  # its drain takes until it is aborted
        await controller.drain("access-2")
        await until(lambda: made.pods["access-2"].phase is DrainPhase.STRAGGLERS)
        await controller.scale(4)
        await until(lambda: "access-3" in made.pods and len(made.pods["access-3"].orders) > 2)
        assert made.pods["access-3"].sessions == 0
        await controller.abort("access-2")
        await until(lambda: made.pods["access-3"].sessions > 500)


async def test_a_pod_that_comes_during_a_drain_becomes_a_target() -> None:
    async with world() as made:
        controller = await made.led(2500, 1000)
        await controller.drain("access-0", deadline_ms=120_000)
        await until(lambda: made.pods["access-0"].sessions < 2450)
        await controller.scale(3)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.EMPTY, seconds=40.0)
        assert made.pods["access-2"].sessions > 20
        assert made.total == 3500
