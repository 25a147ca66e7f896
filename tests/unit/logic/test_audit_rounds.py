"""One auditor goes round, counts once what stays wrong, and the next goes on where it stopped."""

from __future__ import annotations

import pytest

from services.logic.domain.audit import Finding, Wrong, confirmed
from services.logic.domain.model import TimelineEntry
from services.logic.usecases.run_audit import SETTLED_MS
from tests.unit.logic.audit_world import Auditors, lose_an_entry
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.ids import compose


async def test_only_what_a_second_look_finds_too_counts() -> None:
    hole, orphan = Finding(Wrong.HOLE, "a", 2), Finding(Wrong.ORPHAN, "a", 3, 9)
    assert confirmed({hole, orphan}, {orphan}) == [orphan]
    world = Auditors()
    lose_an_entry(world, await world.talk())
    auditor = world.auditor()
    for _ in range(2):  # alice, bob
        await auditor.step()
    assert auditor.statistics().suspects == 2
    assert auditor.statistics().findings["hole"] == 0
    await world.timelines.insert([TimelineEntry("bob", 2)])  # a reader has voided it
    world.clock.now += 21.0
    await auditor.step()
    figures = auditor.statistics()
    assert (figures.findings["hole"], figures.findings["missing"]) == (0, 1)
    assert (figures.users, figures.rounds, figures.suspects) == (2, 1, 0)


async def test_a_hole_that_stays_is_counted_once() -> None:
    world = Auditors()
    lose_an_entry(world, await world.talk())
    auditor = world.auditor()
    for _ in range(9):
        await auditor.step()
        world.clock.now += 21.0
    assert auditor.statistics().rounds == 3
    assert auditor.statistics().findings["hole"] == 1


async def test_a_message_that_nobody_has_is_found_by_looking_at_messages() -> None:
    world = Auditors()
    (message_id,) = await world.talk(1)
    for user in ("alice", "bob"):
        world.timelines.lose(user, 1)
    auditor = world.auditor()
    await auditor.step()
    assert auditor.statistics().messages == 0, "a commit may still be under way"
    world.clock.now += SETTLED_MS / 1000 + 1
    await auditor.step()
    world.clock.now += 21.0
    await auditor.step()
    figures = auditor.statistics()
    assert (figures.messages, figures.findings["missing"]) == (1, 2)
    assert world.turn.place.message_id >= message_id


async def test_messages_of_before_are_left_to_the_command() -> None:
    world = Auditors()
    await world.talk(1)
    world.clock.now += 3600.0
    auditor = world.auditor()
    await auditor.step()
    assert auditor.statistics().messages == 0
    assert world.turn.place.message_id == compose(world.clock.wall_ms() - SETTLED_MS, 0, 0) - 1


async def test_one_audits_and_the_next_goes_on_where_it_stopped() -> None:
    world = Auditors()
    await world.talk()
    one, two = world.auditor("one"), world.auditor("two")
    await one.step()
    await two.step()
    assert (one.statistics().users, two.statistics().users) == (1, 0)
    world.clock.now += 31.0
    await two.step()
    assert world.turn.place.after == "bob"
    await one.step()
    assert (one.statistics().users, two.statistics().users) == (1, 1)


async def test_a_store_that_is_away_is_no_finding() -> None:
    world = Auditors()
    await world.talk()
    auditor = world.auditor()
    world.timelines.faults.fail("read")
    with pytest.raises(WhimbrelError):
        await auditor.step()
    assert world.turn.place.after == ""
    await auditor.step()
    assert (auditor.statistics().users, auditor.statistics().suspects) == (1, 0)
