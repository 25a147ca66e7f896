"""One line for each drain, with what became of its sessions."""

from __future__ import annotations

from structlog.testing import capture_logs
from structlog.typing import EventDict

from services.access.drain_line import DrainLine
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainTimes

TIMES = DrainTimes(settle_seconds=0.0)


class Watched:
    """A drain that is ticked and seen, and the lines that came of it."""

    def __init__(self) -> None:
        self.drain = PodDrain(TIMES)
        self.line = DrainLine()

    def tick(self, sessions: int, now: float) -> list[EventDict]:
        with capture_logs() as logs:
            self.drain.tick(sessions, 0, now)
            self.line.see(self.drain, sessions, now)
        return list(logs)


def test_a_drain_that_ends_empty_has_one_line_with_its_figures() -> None:
    watched = Watched()
    assert watched.tick(3, 0.0) == []
    watched.drain.stop("SIGTERM", "self-sigterm", 60.0, 1.0)
    assert watched.tick(3, 1.0) == []
    watched.drain.moved(2)
    watched.drain.forced(1)
    (line,) = watched.tick(0, 4.5)
    assert {name: line[name] for name in ("event", "outcome", "plan", "cause", "seconds")} == {
        "event": "drain_ended",
        "outcome": "empty",
        "plan": "self-sigterm",
        "cause": "SIGTERM",
        "seconds": 3.5,
    }
    assert (line["planned"], line["moved"], line["forced"], line["remaining"]) == (3, 2, 1, 0)
    assert watched.tick(1, 5.0) == [], "somebody came once more"
    assert watched.tick(0, 6.0) == []


def test_an_aborted_drain_says_what_it_had_done() -> None:
    watched = Watched()
    watched.drain.order_drain(1, "p1", 10.0, 60.0, 0.0, "operator")
    watched.tick(5, 0.0)
    watched.drain.moved(2)
    watched.tick(3, 1.0)
    watched.drain.order_rest(1, 2.0)
    (line,) = watched.tick(3, 2.0)
    assert (line["outcome"], line["plan"], line["moved"], line["remaining"]) == (
        *("aborted", "p1"),
        *(2, 3),
    )
    assert watched.tick(3, 3.0) == []
    watched.drain.order_drain(1, "p2", 10.0, 60.0, 4.0)
    (line,) = watched.tick(0, 4.0)
    assert (line["outcome"], line["plan"], line["seconds"]) == ("empty", "p2", 0.0)


def test_a_rebalance_is_no_drain() -> None:
    watched = Watched()
    watched.drain.order_shed(1, "p1", 2, 10.0, 0.0)
    assert watched.tick(5, 0.0) == []
    watched.drain.order_rest(1, 1.0)
    assert watched.tick(3, 1.0) == []
