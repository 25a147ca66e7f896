"""A history that breaks a promise is caught, whatever the promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from whimbrel.testing.history import Got, History, Sent, judge


def healthy() -> History:
    history = History()
    for number in range(1, 6):
        history.attempted.add(("alice", f"text {number}"))
        history.sent[number] = Sent(number, "alice", ("bob",))
        history.got["bob"].append(Got(number, number, "d:alice:bob", late=False))
        history.texts[number] = ("alice", f"text {number}")
    return history


def test_a_healthy_history_has_no_violations() -> None:
    verdict = judge(healthy())
    assert (verdict.accepted, verdict.delivered, verdict.violations) == (5, 5, 0)
    assert str(verdict) == "lost 0, duplicated 0, reordered 0"


def _lose(history: History) -> None:
    history.got["bob"].pop()


def _duplicate(history: History) -> None:
    history.got["bob"].append(history.got["bob"][-1]._replace(seq=6))


def _swap(history: History) -> None:
    rows = history.got["bob"]
    rows[1], rows[2] = rows[2], rows[1]


def _sort_before_the_question(history: History) -> None:
    rows = history.got["bob"]
    rows[1], rows[2] = rows[1]._replace(message_id=3), rows[2]._replace(message_id=2)


def _invent(history: History) -> None:
    history.texts[9] = ("mallory", "never said")


@pytest.mark.parametrize(
    ("bug", "field"),
    [
        (_lose, "lost"),
        (_duplicate, "duplicated"),
        (_swap, "reordered"),
        (_sort_before_the_question, "reordered"),
        (_invent, "phantoms"),
    ],
)
def test_each_broken_promise_is_counted(bug: Callable[[History], None], field: str) -> None:
    history = healthy()
    bug(history)
    assert getattr(judge(history), field) > 0


def test_a_late_entry_is_in_order() -> None:
    history = healthy()
    rows = history.got["bob"]
    rows[3] = rows[3]._replace(message_id=5)
    rows[4] = rows[4]._replace(message_id=4, late=True)
    assert judge(history).violations == 0
