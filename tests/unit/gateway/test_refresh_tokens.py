from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.refresh_tokens import RefreshTokens, hash_of
from whimbrel.core.errors import ErrorCode, WhimbrelError

TOKENS = RefreshTokens(b"0123456789abcdef0123456789abcdef")
LOGIN = "0f" * 16


@given(st.binary(min_size=16, max_size=16))
def test_a_token_names_its_login(random: bytes) -> None:
    assert TOKENS.login_of(TOKENS.make(LOGIN, random)) == LOGIN


@given(st.integers(0, 129), st.characters())
def test_a_token_that_was_changed_anywhere_is_not_ours(place: int, other: str) -> None:
    token = TOKENS.make(LOGIN, bytes(16))
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(WhimbrelError) as raised:
            TOKENS.login_of(changed)
        assert raised.value.code is ErrorCode.UNAUTHENTICATED


def test_another_secret_makes_other_tokens() -> None:
    other = RefreshTokens(b"fedcba9876543210fedcba9876543210")
    with pytest.raises(WhimbrelError):
        other.login_of(TOKENS.make(LOGIN, bytes(16)))


def test_a_hash_shows_nothing_of_its_token() -> None:
    token = TOKENS.make(LOGIN, bytes(range(16)))
    assert not set(token.split(".")) & {hash_of(token)}
    assert hash_of(token) != hash_of(TOKENS.make(LOGIN, bytes(16)))
