"""Operators empty pods: over real gRPC, with pods that drain by the real machine."""

from __future__ import annotations

from tests.component.drain.controller_world import (
    World,
    until,
    world,
)
from tests.component.drain.operated_controller import refused
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode


def moved_all(made: World, pod_id: str) -> bool:
    return made.pods[pod_id].phase is DrainPhase.EMPTY


async def test_a_pod_is_emptied_and_stays_cordoned() -> None:
    async with world() as made:
        controller = await made.led(200, 100, 100)
        answer = await controller.drain("access-0")
        assert list(answer.warnings) == []
        assert answer.plan.cause == "operator"
        again = await controller.drain("access-0")
        assert again.plan.plan_id == answer.plan.plan_id, "asked twice, done once"
        await until(lambda: moved_all(made, "access-0"))
        assert made.total == 400, "nobody was lost"
        others = [made.pods[name].sessions for name in ("access-1", "access-2")]
        assert max(others) - min(others) <= 20, "both got their part"

        async def is_done() -> bool:
            plan = await controller.plan("access-0")
            return plan is not None and plan.outcome == drain_pb2.PLAN_OUTCOME_DONE

        await until(is_done)
        plan = await controller.plan("access-0")
        assert plan is not None
        assert (plan.moved, plan.remaining, plan.forced) == (200, 0, 0)
        assert plan.ended_ms >= plan.started_ms
        told = len(made.pods["access-0"].orders)
        await until(lambda: len(made.pods["access-0"].orders) > told + 1)
        assert made.pods["access-0"].phase is DrainPhase.EMPTY, "until it is aborted or removed"


async def test_an_abort_brings_the_pod_back_and_moves_stay() -> None:
    async with world() as made:
        controller = await made.led(3000, 100)
        await controller.drain("access-0")
        await until(lambda: made.pods["access-0"].sessions < 2950)
        answer = await controller.abort("access-0")
        assert answer.plan.outcome == drain_pb2.PLAN_OUTCOME_ABORTED
        await until(lambda: made.pods["access-0"].phase is DrainPhase.ACTIVE, seconds=5.0)
        assert made.pods["access-1"].sessions > 100
        assert made.total == 3100
        error = await refused(controller.abort("access-0"))
        assert error.code is ErrorCode.NOT_FOUND


async def test_an_empty_pod_can_be_taken_back_too() -> None:
    async with world() as made:
        controller = await made.led(20, 20)
        await controller.drain("access-0")
        await until(lambda: moved_all(made, "access-0"))
        await controller.abort("access-0")
        await until(lambda: made.pods["access-0"].phase is DrainPhase.ACTIVE)


async def test_unknown_pods_and_pods_of_other_roles_are_refused() -> None:
    async with world() as made:
        made.platform.add_workload("logic", 1)
        controller = await made.led(20, 20)
        error = await refused(controller.drain("access-9"))
        assert error.code is ErrorCode.NOT_FOUND
        assert "access-0, access-1" in error.detail
        error = await refused(controller.drain("logic-0"))
        assert error.code is ErrorCode.INVALID_ARGUMENT
        assert "only Access pods hold sessions" in error.detail


async def test_the_last_open_pod_is_not_drained() -> None:
    async with world() as made:
        controller = await made.led(50, 50)
        await controller.drain("access-0")
        await until(lambda: moved_all(made, "access-0"))
        for force in (False, True):
            error = await refused(controller.drain("access-1", force=force))
            assert error.code is ErrorCode.INVALID_ARGUMENT
            assert "whimbrel scale access=3" in error.detail
        assert made.pods["access-1"].phase is DrainPhase.ACTIVE


async def test_a_deadline_that_cannot_be_kept_is_refused_unless_it_is_meant() -> None:
    async with world() as made:
        controller = await made.led(5000, 0, operator_per_second=1000.0)
        error = await refused(controller.drain("access-0", deadline_ms=3_000))
        assert error.code is ErrorCode.INVALID_ARGUMENT
        assert "--deadline 25" in error.detail
        answer = await controller.drain("access-0", deadline_ms=20_000)
        assert "need 25 s" in answer.warnings[0]
        await controller.abort("access-0")
        await until(lambda: made.pods["access-0"].phase is DrainPhase.ACTIVE)
        made.pods["access-0"].moves_blocked = True
        await controller.drain("access-0", deadline_ms=1_000, force=True)
        await until(lambda: moved_all(made, "access-0"), seconds=5.0)
        error = await refused(controller.drain("access-1", deadline_ms=700_000))
        assert "600 s at most" in error.detail


async def test_without_room_a_drain_waits_for_a_pod_and_nobody_is_overloaded() -> None:
    async with world(max_sessions=150) as made:
        controller = await made.led(100, 100)
        answer = await controller.drain("access-0")
        assert "no room" in answer.warnings[0]
        plan = await controller.plan("access-0")
        assert plan is not None
        assert "take 50 more sessions and 100 are to move" in plan.waiting_for
        told = len(made.pods["access-0"].orders)
        await until(lambda: len(made.pods["access-0"].orders) > told + 1)
        assert made.pods["access-0"].phase is DrainPhase.ACTIVE, "open as long as it waits"
        await made.platform.scale("access", 3)
        await until(lambda: moved_all(made, "access-0"))
        assert made.total == 200


async def test_a_node_is_drained_the_pod_released_and_replaced() -> None:
    async with world() as made:
        await made.led(100, 100, 100)
        made.platform.change("access-1", drain_wanted=True)
        await until(lambda: "access-1" not in made.pods)
        assert "release access-1" in made.platform.calls
        await until(lambda: len(made.pods) == 3)
        assert made.total == 300


async def test_a_node_that_is_wanted_again_keeps_its_pod() -> None:
    async with world() as made:
        await made.led(3000, 100)
        made.platform.change("access-0", drain_wanted=True)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.DRAINING)
        made.platform.change("access-0", drain_wanted=False)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.ACTIVE, seconds=5.0)


async def test_a_pod_that_is_being_stopped_cannot_be_called_back() -> None:
    async with world() as made:
        controller = await made.led(1500, 100)
        made.platform.change("access-0", deleted_in_seconds=60.0)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.DRAINING)
        error = await refused(controller.abort("access-0"))
        assert error.code is ErrorCode.INVALID_ARGUMENT
        assert "being stopped" in error.detail
        await until(lambda: "access-0" not in made.pods)
        assert made.total >= 1600


async def test_a_pod_that_dies_in_the_middle_ends_its_plan() -> None:
    async with world() as made:
        controller = await made.led(3000, 100)
        await controller.drain("access-0")
        await until(lambda: made.pods["access-0"].sessions < 2900)
        made.kill_pod("access-0")

        async def is_lost() -> bool:
            plans = (await controller.plans()).plans
            return [plan.outcome for plan in plans] == [drain_pb2.PLAN_OUTCOME_POD_LOST]

        await until(is_lost)
        await until(lambda: "access-0" in made.pods or "access-2" in made.pods)
        newcomer = made.pods.get("access-0") or made.pods["access-2"]
        await until(lambda: len(newcomer.orders) > 2)
        assert newcomer.phase is DrainPhase.ACTIVE, "another process is another pod"
