"""What is remembered of the processes of a pod that leave one after the other."""

from __future__ import annotations

from services.drain.attendance import Attendance
from services.drain.domain.facts import ProcessOf, Report
from services.drain.domain.processes import fold_reports
from whimbrel.core.drain.pod_drain_types import DrainPhase


def process(
    number: int, *, moved: int = 0, sessions: int = 0, phase: DrainPhase = DrainPhase.EMPTY
) -> Report:
    return Report(
        f"access-0.{number}",
        f"a{number}",
        phase=phase,
        plan_id="plan",
        moved=moved,
        sessions=sessions,
        process_of=ProcessOf("access-0", "a", 2),
    )


class Controller:
    def __init__(self) -> None:
        self.now = 0.0
        self.attendance = Attendance(lambda: self.now, lambda: None)

    def said(self) -> dict[str, Report]:
        return fold_reports(self.attendance.reports())


def test_what_a_process_has_moved_counts_while_others_of_its_pod_go_on() -> None:
    controller = Controller()
    first = controller.attendance.join(process(1, moved=90))
    second = controller.attendance.join(process(2, moved=50, phase=DrainPhase.DRAINING))
    controller.attendance.leave(first)
    assert controller.attendance.take_last_words() == {}
    assert controller.said()["access-0"].moved == 140
    controller.attendance.take(second, process(2, moved=80))
    assert controller.said()["access-0"].phase is DrainPhase.EMPTY
    controller.attendance.leave(second)
    words = fold_reports(controller.attendance.take_last_words())
    assert (words["access-0"].moved, words["access-0"].phase) == (170, DrainPhase.EMPTY)
    assert controller.said() == {}
    assert controller.attendance.take_last_words() == {}


def test_a_process_that_dies_in_the_middle_of_its_work_holds_nobody_any_more() -> None:
    controller = Controller()
    first = controller.attendance.join(process(1, sessions=400, phase=DrainPhase.ACTIVE))
    second = controller.attendance.join(process(2, sessions=300, phase=DrainPhase.ACTIVE))
    controller.attendance.leave(first)
    assert controller.said()["access-0"].sessions == 300
    controller.attendance.leave(second)
    words = fold_reports(controller.attendance.take_last_words())
    assert words["access-0"].sessions == 300


def test_a_process_that_is_started_again_in_a_drain_speaks_for_itself() -> None:
    controller = Controller()
    first = controller.attendance.join(process(1, sessions=10, phase=DrainPhase.DRAINING))
    controller.attendance.join(process(2, sessions=20, phase=DrainPhase.DRAINING))
    controller.attendance.leave(first)
    assert controller.said()["access-0"].sessions == 30
    again = controller.attendance.join(process(1, sessions=1, phase=DrainPhase.ACTIVE))
    assert controller.said()["access-0"].sessions == 21
    controller.attendance.leave(again)
    assert controller.said()["access-0"].sessions == 20


def test_a_pod_with_one_process_leaves_its_last_word_at_once() -> None:
    controller = Controller()
    alone = Report("access-1", "b", phase=DrainPhase.EMPTY)
    controller.attendance.leave(controller.attendance.join(alone))
    assert controller.attendance.take_last_words() == {"access-1": alone}
