"""Who is banned, and which streams have to end: the pure halves of the shell."""

from __future__ import annotations

import random

import pytest

from services.access.shell.bans import Bans
from services.access.shell.stream_counts import StreamCounts
from services.access.shell_settings import ShellSettings
from whimbrel.core.client_address import NOBODY

BAD = "192.0.2.7/32"


def test_an_address_is_banned_when_it_connects_faster_than_it_may_and_not_before() -> None:
    bans = Bans(100, 60.0)
    assert not any(bans.connected(BAD, n / 100) for n in range(2_000))
    banned = [n for n in range(1_000) if bans.connected(BAD, 20.0 + n / 1_000)]
    assert len(banned) == 1
    assert banned[0] < 250
    assert bans.remaining(BAD, 21.0) > 58
    assert bans.remaining("192.0.2.8/32", 21.0) == 0.0
    assert bans.decided == 1


def test_a_ban_lasts_as_long_as_the_flood_and_ban_seconds_more() -> None:
    bans = Bans(10, 60.0)
    for n in range(100_000):
        bans.connected(BAD, n / 1_000)
    assert bans.remaining(BAD, 100.0) == pytest.approx(60.0, abs=0.2)
    assert bans.active(159.0) == {BAD: pytest.approx(1.0, abs=0.2)}
    assert bans.active(161.0) == {}
    assert len(bans) == 0


def test_nobody_and_a_limit_of_zero_ban_nobody() -> None:
    assert not any(Bans(1, 60.0).connected(NOBODY, 0.0) for _ in range(100))
    assert not any(Bans(0, 60.0).connected(BAD, 0.0) for _ in range(100))


def test_what_others_say_makes_a_ban_longer_and_never_shorter() -> None:
    bans = Bans(10, 60.0)
    bans.learn({BAD: 30.0}, 0.0)
    bans.learn({BAD: 5.0}, 0.0)
    assert bans.remaining(BAD, 0.0) == 30.0
    assert bans.decided == 0


def test_the_bans_are_bounded_and_the_oldest_goes() -> None:
    bans = Bans(10, 60.0)
    bans.learn({f"a{n}": 60.0 for n in range(10_500)}, 0.0)
    assert len(bans) == 10_000
    assert bans.remaining("a0", 0.0) == 0.0
    assert bans.remaining("a10499", 0.0) == 60.0


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_the_streams_that_are_there(seed: int) -> None:
    chance = random.Random(seed)
    settings = ShellSettings(
        unnamed_streams=6, unnamed_streams_per_address=3, streams_per_user=2, streams_per_address=5
    )
    counts: StreamCounts[int] = StreamCounts(settings)
    there: dict[int, tuple[str, str]] = {}
    for number in range(500):
        address = chance.choice(["a", "b", "c", NOBODY])
        of_address = sum(1 for one, _ in there.values() if one == address)
        assert counts.has_room_for(address) == (address == NOBODY or of_address < 5)
        if counts.has_room_for(address):
            oldest = counts.enter(number, address)
            there[number] = (address, "")
            if oldest is not None:
                assert there[oldest][1] == ""
                counts.forget_unnamed(oldest)
                counts.leave(oldest)
                counts.leave(oldest)
                del there[oldest]
        unnamed = [one for one, (_, user) in there.items() if not user]
        assert counts.unnamed == len(unnamed) <= 6
        if unnamed and chance.random() < 0.5:
            one, user = chance.choice(unnamed), chance.choice("xyz")
            of_user = sum(1 for _, name in there.values() if name == user)
            assert counts.name(one, user) == (of_user < 2)
            if of_user < 2:
                there[one] = (there[one][0], user)
        if there and chance.random() < 0.4:
            gone = chance.choice(list(there))
            counts.leave(gone)
            del there[gone]
    for one in list(there):
        counts.leave(one)
    assert (len(counts), counts.unnamed) == (0, 0)
    assert counts.has_room_for("a")
