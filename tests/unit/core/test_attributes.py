"""What attributes may say together, and what never leaves a client."""

from __future__ import annotations

from typing import Any

import pytest

from whimbrel import wire
from whimbrel.core.attributes import MAX_MENTIONS, PLAIN, Attributes, ForwardedFrom
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.outgoing import BodyKind, Outgoing

SOURCE = ForwardedFrom(7, "g:1", "bob")


@pytest.mark.parametrize(
    "good",
    [
        PLAIN,
        Attributes(reply_to=5, forwarded_from=SOURCE, mentions=("bob",)),
        Attributes(mentions=tuple(f"user-{number}" for number in range(MAX_MENTIONS))),
        Attributes(recalls=2**63 - 1),
        Attributes(edits=5, mentions=("bob",), mentions_all=True),
    ],
)
def test_what_is_well_formed_crosses_the_wire_as_it_is(good: Attributes) -> None:
    good.check()
    assert wire.attributes_of(wire.attributes_to_wire(good)) == good
    assert bool(good) is (good is not PLAIN)


@pytest.mark.parametrize(
    "bad",
    [
        {"recalls": 5, "edits": 5},
        {"recalls": 5, "reply_to": 4},
        {"recalls": 5, "mentions_all": True},
        {"edits": 5, "reply_to": 4},
        {"edits": 5, "forwarded_from": SOURCE},
        {"mentions": ("bob", "bob")},
        {"mentions": ("a b",)},
        {"mentions": tuple(f"user-{number}" for number in range(MAX_MENTIONS + 1))},
        {"forwarded_from": ForwardedFrom(0, "g:1", "bob")},
        {"forwarded_from": ForwardedFrom(7, "g:1", "")},
        {"forwarded_from": ForwardedFrom(2**63, "g:1", "bob")},
        {"reply_to": 2**63},
        {"recalls": 2**64 - 1},
        {"edits": 2**63},
    ],
)
def test_what_contradicts_itself_is_refused_before_it_is_queued(bad: dict[str, Any]) -> None:
    with pytest.raises(WhimbrelError) as raised:
        Outgoing("one", BodyKind.TEXT, b"", "g:1", attributes=Attributes(**bad))
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_forward_from_a_conversation_that_cannot_be_is_refused() -> None:
    with pytest.raises(WhimbrelError) as raised:
        Attributes(forwarded_from=ForwardedFrom(7, "nowhere", "bob")).check()
    assert raised.value.code is ErrorCode.UNKNOWN_CONVERSATION


def test_a_recall_is_sent_without_a_body() -> None:
    recall = Outgoing("one", BodyKind.BYTES, b"", "g:1", attributes=Attributes(recalls=5))
    sent = wire.outgoing_message(recall, resend=False)
    assert not sent.HasField("body")
    assert sent.attributes.recalls == 5
