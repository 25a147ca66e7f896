"""Places: in all, and of each user."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from services.gateway.domain.places import Places
from whimbrel.core.errors import ErrorCode, WhimbrelError


def test_nobody_takes_all_places_alone() -> None:
    places = Places("uploads", total=3, each=2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(places.place("mallory"))
        with pytest.raises(WhimbrelError) as refused, places.place("mallory"):
            pass
        assert refused.value.code is ErrorCode.OVERLOADED
        assert refused.value.retry_after_seconds
        with places.place("alice"), pytest.raises(WhimbrelError):
            places.check("bob")
    assert places.taken == 0
    places.check("mallory")
