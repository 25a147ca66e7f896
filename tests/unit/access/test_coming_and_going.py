"""Tickets and budgets: who may move here, and how many at a time."""

from __future__ import annotations

import jwt
import pytest

from services.access.arrivals import Arrivals
from services.access.presentation import report
from services.access.tickets import TICKET_SECONDS, Ticket, TicketOffice
from whimbrel.core.drain.grace import GOODBYE_SECONDS
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.tokens import TokenVerifier, sign_token

SECRET = b"s" * 32
NOW = 1_800_000_000.0
TICKET = Ticket("bob", "phone", "app1", "access-1", 2**52 - 1, NOW + 3600)
HERE = {"pod_id": "access-1", "device_id": "phone", "instance_id": "app1"}


class Wall:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_ticket_says_what_was_written_into_it() -> None:
    office = TicketOffice(SECRET, clock=Wall())
    assert office.read(office.write(TICKET), **HERE) == TICKET


@pytest.mark.parametrize(
    "other", [{"pod_id": "access-2"}, {"device_id": "tablet"}, {"instance_id": "app2"}]
)
def test_a_ticket_is_for_one_device_at_one_pod(other: dict[str, str]) -> None:
    office = TicketOffice(SECRET, clock=Wall())
    assert office.read(office.write(TICKET), **{**HERE, **other}) is None


def test_a_ticket_runs_out_and_so_does_the_credential_behind_it() -> None:
    wall = Wall()
    office = TicketOffice(SECRET, clock=wall)
    signed = office.write(TICKET)
    short = office.write(Ticket("bob", "phone", "app1", "access-1", 7, NOW + 10))
    wall.now += 20
    assert office.read(short, **HERE) is None
    assert office.read(signed, **HERE) is not None
    wall.now = NOW + TICKET_SECONDS + 6
    assert office.read(signed, **HERE) is None


def test_a_token_is_no_ticket_and_a_ticket_is_no_token() -> None:
    office = TicketOffice(SECRET, clock=Wall())
    assert office.read(sign_token(SECRET, "bob", 3600, now=NOW), **HERE) is None
    with pytest.raises(WhimbrelError):
        TokenVerifier(SECRET, clock=Wall()).verify(office.write(TICKET))


@pytest.mark.parametrize("nonsense", ["", "a.b.c", "x" * 5000])
def test_nonsense_is_no_ticket(nonsense: str) -> None:
    assert TicketOffice(SECRET, clock=Wall()).read(nonsense, **HERE) is None


def test_another_secret_signs_no_ticket_here() -> None:
    forged = jwt.encode({"aud": "whimbrel-ticket", "sub": "bob"}, b"t" * 32, algorithm="HS256")
    assert TicketOffice(SECRET, clock=Wall()).read(forged, **HERE) is None


def test_a_target_takes_its_budget_and_no_more_than_a_fifth_above_it() -> None:
    arrivals = Arrivals(100, now=0.0)
    taken: list[float] = []
    for tick in range(5_000):
        now = tick / 1000
        if arrivals.admit(now) == 0:
            taken.append(now)
    for start in range(5):
        assert sum(start <= at < start + 1 for at in taken) <= 120
    assert len(taken) >= 480


def test_those_that_are_refused_are_spread_over_what_is_ahead_of_them() -> None:
    arrivals = Arrivals(10, now=0.0)
    waits = [arrivals.admit(0.0) for _ in range(30)]
    refused = [wait for wait in waits if wait > 0]
    assert len(set(refused)) == len(refused)
    assert max(refused) > 2.0


def test_a_late_event_loop_lowers_the_budget_and_quiet_brings_it_back() -> None:
    arrivals = Arrivals(100, now=0.0)
    arrivals.see_loop_lag(500.0, 1.0)
    assert arrivals.per_second == 50
    for second in range(2, 40):
        arrivals.see_loop_lag(1.0, float(second))
    assert arrivals.per_second == 100
    for second in range(40, 60):
        arrivals.see_loop_lag(500.0, float(second))
    assert arrivals.per_second == 10, "never nothing"


def test_the_figures_are_those_of_the_last_five_seconds() -> None:
    arrivals = Arrivals(1, now=0.0)
    arrivals.admit(0.0)
    arrivals.admit(0.0)
    arrivals.attached(0.5, 0.0)
    assert arrivals.figures(1.0) == (2, 1, 500.0)
    assert arrivals.figures(6.0) == (0, 0, 0.0)


def test_orders_that_follow_from_a_report_never_bring_its_own_deadline_nearer() -> None:
    drain, arrivals = PodDrain(), Arrivals(10.0, 0.0)
    drain.stop("SIGTERM", "self-sigterm", 60.0, 0.0)
    for second in range(30):
        now = float(second)
        own = report(drain, arrivals.figures(now), 0.0, now)
        ordered = own.stopping_in_ms / 1000 - GOODBYE_SECONDS  # what a controller makes of it
        drain.order_drain(1, "plan", 10.0, ordered, now)
        assert drain.deadline == pytest.approx(60.0, abs=0.01)
