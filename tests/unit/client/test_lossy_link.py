"""The link that the crown test stands on does what it says."""

from __future__ import annotations

from random import Random

from whimbrel.testing.lossy_link import Faults, LossyLink


def through(faults: Faults, seed: int = 1) -> list[int]:
    link: LossyLink[int] = LossyLink(Random(seed), faults)
    for number in range(200):
        link.send(number, number * 0.001)
    return link.take(1_000.0)


def test_a_perfect_link_only_delays() -> None:
    link: LossyLink[str] = LossyLink(Random(1))
    link.send("a", 5.0)
    assert link.take(5.0 - 0.001) == []
    assert 5.0 <= (link.next_deadline() or 0) <= 5.02
    assert link.take(5.02) == ["a"]
    assert through(Faults()) == list(range(200))


def test_faults_happen_and_the_same_seed_repeats_them() -> None:
    assert len(through(Faults(drop=0.5))) < 150
    assert len(through(Faults(repeat=0.5))) > 250
    shuffled = through(Faults(reorder=0.5))
    assert sorted(shuffled) == list(range(200)) != shuffled
    every = Faults(drop=0.2, repeat=0.2, reorder=0.2)
    assert through(every, seed=3) == through(every, seed=3) != through(every, seed=4)


def test_a_cut_loses_what_is_under_way() -> None:
    link: LossyLink[int] = LossyLink(Random(1))
    link.send(1, 0.0)
    link.cut()
    assert link.take(9.0) == []
    assert link.next_deadline() is None
