"""A picture, phones that are away, and the host product: as `whimbrel demo` shows them."""

from __future__ import annotations

import pytest

from whimbrel.cli.demo_beyond import play_beyond

pytestmark = pytest.mark.timeout(240)


async def test_a_picture_arrives_phones_are_woken_once_and_the_host_hears_in_order() -> None:
    beyond = await play_beyond(print)
    assert [name for name, _, _ in beyond.scenes.rows] == [
        "a picture over a bad network",
        "a phone that is away",
        "back in time",
        "a dead token",
        "Redis is flushed",
        "the host product",
    ]
