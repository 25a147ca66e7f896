"""Everybody chooses the same node, evenly, and a change moves no more than it must."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.rendezvous import choose, rank

nodes = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)


@given(key=st.text(), nodes=nodes)
def test_the_choice_does_not_depend_on_the_order_in_which_nodes_are_known(
    key: str, nodes: list[str]
) -> None:
    assert choose(key, nodes) == choose(key, reversed(nodes)) == rank(key, nodes)[0]


@given(key=st.text(), nodes=nodes)
def test_only_the_keys_of_a_lost_node_move(key: str, nodes: list[str]) -> None:
    best, *others = rank(key, nodes)
    assert rank(key, [node for node in nodes if node != best]) == others
    for lost in others:
        assert choose(key, [node for node in nodes if node != lost]) == best


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose("key", []) is None


def test_keys_spread_evenly() -> None:
    counts = Counter(choose(f"key-{number}", ["a", "b", "c", "d"]) for number in range(8_000))
    assert all(abs(count - 2_000) < 200 for count in counts.values())
