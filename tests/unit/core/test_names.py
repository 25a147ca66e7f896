"""Names are checked before they are used, and a conversation's id says who is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.names import (
    check_name,
    check_platform,
    direct_conversation,
    direct_participants,
)

names = st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True)


@given(one=names, other=names)
def test_both_sides_name_the_same_direct_conversation(one: str, other: str) -> None:
    conversation = direct_conversation(one, other)
    assert conversation == direct_conversation(other, one)
    assert set(direct_participants(conversation) or ()) == {one, other}


@given(value=st.text(max_size=80))
def test_a_name_is_refused_exactly_when_it_is_not_well_formed(value: str) -> None:
    good = 1 <= len(value) <= 64 and all(
        "a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in "_.-" for c in value
    )
    if good:
        assert check_name(value, "user_id") == value
    else:
        with pytest.raises(WhimbrelError, match="user_id") as refused:
            check_name(value, "user_id")
        assert refused.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "conversation", ["", "d:", "d:bob", "d:bob:alice", "x:a:b", "g:", "g:a b", "d:a:b:c", "d:a:b\n"]
)
def test_an_id_that_no_conversation_can_have_is_unknown(conversation: str) -> None:
    with pytest.raises(WhimbrelError) as refused:
        direct_participants(conversation)
    assert refused.value.code is ErrorCode.UNKNOWN_CONVERSATION


def test_a_group_does_not_name_its_members() -> None:
    assert direct_participants("g:abc") is None


def test_a_note_to_oneself_has_one_participant() -> None:
    assert direct_participants(direct_conversation("bob", "bob")) == ("bob",)


@pytest.mark.parametrize("platform", ["phone", "x" * 16, "Smart-TV_2.0"])
def test_a_platform_has_up_to_sixteen_characters(platform: str) -> None:
    assert check_platform(platform) == platform


def test_a_platform_that_is_not_said_is_other() -> None:
    assert check_platform("") == "other"


@pytest.mark.parametrize("platform", ["x" * 17, "a b", "a|b", "phone\n", "é"])
def test_a_platform_with_anything_else_is_refused(platform: str) -> None:
    with pytest.raises(WhimbrelError) as error:
        check_platform(platform)
    assert error.value.code is ErrorCode.INVALID_ARGUMENT
