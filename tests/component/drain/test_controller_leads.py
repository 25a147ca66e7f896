"""Controllers die, overlap and come back; pods obey the highest term, and every drain ends."""

from __future__ import annotations

import time

from tests.component.drain.controller_world import until, world
from tests.component.drain.operated_controller import refused
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_platform import MemoryLease


async def test_another_controller_goes_on_with_a_drain_whose_leader_was_killed() -> None:
    async with world() as made:
        first = await made.led(2000, 0)
        second = await made.start_controller("drain-1")
        pod = made.pods["access-0"]
        plan = (await first.drain("access-0")).plan
        await until(lambda: pod.sessions < 1950)
        term = pod.drain.term
        await first.kill()
        assert pod.sessions > 0
        await made.until_leads(second)
        await until(lambda: pod.drain.term > term)
        taken = await second.plan("access-0")
        assert taken is not None
        assert (taken.plan_id, taken.cause) == (plan.plan_id, "operator")
        assert taken.started_ms == plan.started_ms
        await until(lambda: pod.phase is DrainPhase.EMPTY)
        assert made.total == 2000
        assert pod.drain.statistics().forced == 0


async def test_without_any_controller_a_drain_goes_on() -> None:
    async with world() as made:
        only = await made.led(1500, 0)
        pod = made.pods["access-0"]
        await only.drain("access-0")
        await until(lambda: pod.sessions < 1450)
        await only.kill()
        await until(lambda: pod.phase is DrainPhase.EMPTY)
        assert made.total == 1500


async def test_of_two_leaders_the_lower_term_is_refused() -> None:
    async with world() as made:
        made.start_pods(800, 100)
        cut_off = MemoryLease(time.monotonic, time.time)
        old = await made.start_controller("drain-old", lease=cut_off, lease_seconds=60.0)
        await made.until_knows(old)
        pod = made.pods["access-0"]
        await old.drain("access-1")
        await until(lambda: made.pods["access-1"].phase is DrainPhase.EMPTY)
        term = pod.drain.term
        cut_off.away = True  # it cannot renew, and believes in its tenure for a minute
        new = await made.start_controller("drain-new")
        await made.until_knows(new)
        await until(lambda: all(one.drain.term > term for one in made.pods.values()))
        await new.abort("access-1")
        await until(lambda: made.pods["access-1"].phase is DrainPhase.ACTIVE)
        error = await refused(old.drain("access-0"))
        assert error.code is ErrorCode.UNAVAILABLE, "pods have told it of a higher term"

        async def is_drained() -> bool:
            try:
                await new.drain("access-0")
            except WhimbrelError:  # the other pod's word, that it is open again, is on its way
                return False
            return pod.phase is DrainPhase.EMPTY

        await until(is_drained)
        assert made.total == 900
        assert pod.drain.term == max(order.term for order in pod.orders)


async def test_a_controller_that_does_not_lead_names_the_one_that_does() -> None:
    async with world() as made:
        await made.led(10, 10)
        other = await made.start_controller("drain-1")

        async def knows() -> bool:
            return (await other.plans()).leader == "drain-0"

        await until(knows)
        for call in (
            other.drain("access-0"),
            other.abort("access-0"),
            other.scale(3),
            other.restart(),
        ):
            error = await refused(call)
            assert error.code is ErrorCode.UNAVAILABLE
            assert "drain-0 does" in error.detail
        assert not (await other.plans()).leads


async def test_a_leader_that_cannot_renew_leads_no_more() -> None:
    async with world() as made:
        controller = await made.led(10, 10)
        made.lease.away = True

        async def yields() -> bool:
            return not (await controller.plans()).leads

        await until(yields)
        error = await refused(controller.drain("access-0"))
        assert error.code is ErrorCode.UNAVAILABLE
        made.lease.away = False
        await made.until_leads(controller)


async def test_a_leader_that_stops_gives_the_lease_back_at_once() -> None:
    async with world() as made:
        first = await made.led(10, 10)
        second = await made.start_controller("drain-1")
        made.lease.duration_seconds = 3600.0  # nobody waits for it to run out
        first.stop.set()
        await made.until_leads(second)
        await first.task
        assert made.lease.holder == "drain-1"


async def test_a_platform_that_is_away_changes_nothing_that_is_under_way() -> None:
    async with world() as made:
        controller = await made.led(1500, 100)
        await controller.drain("access-0")
        await until(lambda: made.pods["access-0"].sessions < 1450)
        made.platform.break_watches()
        await until(lambda: made.pods["access-0"].phase is DrainPhase.EMPTY)
        assert made.total == 1600


async def test_watchers_of_plans_see_a_drain_come_and_go() -> None:
    async with world() as made:
        controller = await made.led(800, 0)
        call = controller.stub.WatchPlans(drain_pb2.WatchPlansRequest())
        shown: list[int] = []
        async for answer in call:
            if not answer.plans.plans:
                await controller.drain("access-0")
                continue
            (plan,) = answer.plans.plans
            shown.append(plan.remaining)
            if plan.outcome:
                break
        assert shown[-1] == 0
        assert shown == sorted(shown, reverse=True)
        call.cancel()


async def test_the_newest_stream_of_a_pod_wins() -> None:
    async with world() as made:
        controller = await made.led(10, 10)
        pod = made.pods["access-0"]
        told = len(pod.orders)
        zombie = controller.stub.Attend()
        await zombie.write(drain_pb2.AttendRequest(pod_id="access-0", incarnation="zombie"))
        await until(lambda: len(pod.orders) > told + 2)  # it has come back
        assert await zombie.read() is not None or zombie.done()
        assert pod.phase is DrainPhase.ACTIVE
        zombie.cancel()
