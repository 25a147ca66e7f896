"""How one publication follows another: ids rise, and what was given out never comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.device_keys import DeviceKeys, Prekey, Publication, Renewal, follow
from tests.key_ring import KeyRing
from whimbrel.core.errors import ErrorCode, WhimbrelError

RING = KeyRing("alice", "phone")
OTHER = KeyRing("alice", "phone", "installed again")
MAX = 5


def renewal(before: DeviceKeys | None, publication: Publication, *, now_ms: int = 1000) -> Renewal:
    return follow(before, "alice", "phone", publication, max_prekeys=MAX, now_ms=now_ms)


def stored(ids: Iterable[int] = (), *, signed_id: int = 1, ring: KeyRing = RING) -> DeviceKeys:
    made = renewal(None, ring.publication(signed_id, ids))
    return replace(made.keys, version=1)


def ids_of(prekeys: Iterable[Prekey]) -> list[int]:
    return [one.key_id for one in prekeys]


def test_the_first_publication_is_kept_in_the_order_of_its_ids() -> None:
    made = renewal(None, RING.publication(3, [4, 2, 9]), now_ms=77)
    assert ids_of(made.keys.prekeys) == ids_of(made.added) == [2, 4, 9]
    assert (made.keys.highest_prekey_id, made.keys.changed_at_ms, made.keys.version) == (9, 77, 0)
    assert not made.keeps_prekeys


def test_more_prekeys_come_behind_those_that_are_left() -> None:
    before = replace(stored([1, 2, 3]), prekeys=RING.publication(1, [3]).prekeys)
    made = renewal(before, RING.publication(1, [5, 4]), now_ms=2000)
    assert made.keeps_prekeys
    assert ids_of(made.added) == [4, 5]
    assert ids_of(made.keys.prekeys) == [3, 4, 5]
    assert (made.keys.changed_at_ms, made.keys.version) == (1000, 1)


def test_what_was_given_out_does_not_come_back_and_a_repeated_publication_changes_nothing() -> None:
    before = replace(stored([1, 2, 3]), prekeys=())
    made = renewal(before, RING.publication(1, [1, 2, 3]), now_ms=2000)
    assert made.added == ()
    assert made.keys == before


def test_another_identity_takes_everything_of_the_one_before_away() -> None:
    made = renewal(stored([1, 2, 3], signed_id=8), OTHER.publication(1, [1]), now_ms=2000)
    assert not made.keeps_prekeys
    assert made.keys.prekeys == OTHER.publication(1, [1]).prekeys
    assert (made.keys.signed_prekey.key_id, made.keys.highest_prekey_id) == (1, 1)
    assert (made.keys.changed_at_ms, made.keys.version) == (2000, 1)


def test_a_signed_prekey_is_renewed_and_never_goes_back() -> None:
    before = stored(signed_id=2)
    assert renewal(before, RING.publication(3)).keys.signed_prekey.key_id == 3
    assert renewal(before, RING.publication(2)).keys == before
    with pytest.raises(WhimbrelError) as older:
        renewal(before, RING.publication(1))
    forged = RING.publication(3).signed_prekey._replace(key_id=2)
    with pytest.raises(WhimbrelError) as other_key:
        renewal(before, RING.publication(2)._replace(signed_prekey=forged))
    assert older.value.code is other_key.value.code is ErrorCode.CONFLICT


def test_no_more_are_kept_than_the_bound() -> None:
    assert len(renewal(None, RING.publication(1, range(1, MAX + 1))).keys.prekeys) == MAX
    with pytest.raises(WhimbrelError) as at_once:
        renewal(None, RING.publication(1, range(1, MAX + 2)))
    with pytest.raises(WhimbrelError) as one_more:
        renewal(stored(range(1, MAX + 1)), RING.publication(1, [9]))
    assert at_once.value.code is one_more.value.code is ErrorCode.CONFLICT


@given(st.lists(st.one_of(st.none(), st.sets(st.integers(1, 30), max_size=3)), max_size=20))
def test_no_prekey_of_an_identity_is_given_out_twice(acts: list[set[int] | None]) -> None:
    """None gives one out; a set publishes those ids."""
    keys, given_out = stored(), []
    for act in acts:
        if act is None:
            given_out += ids_of(keys.prekeys[:1])
            keys = replace(keys, prekeys=keys.prekeys[1:])
        elif len(keys.prekeys) + len(act) <= MAX:
            keys = renewal(keys, RING.publication(1, act)).keys
        assert keys.highest_prekey_id >= max(ids_of(keys.prekeys), default=0)
    assert sorted(set(given_out)) == given_out
