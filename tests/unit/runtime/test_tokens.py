"""A token says who its bearer is, for a while, and nothing else passes for one."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.token_keys import read_secret
from whimbrel.runtime.tokens import TokenVerifier, sign_token

SECRET = b"s" * 32
NOW = 1_700_000_000.0


def refusal(token: str, now: float = NOW) -> ErrorCode:
    with pytest.raises(WhimbrelError) as error:
        TokenVerifier(SECRET, clock=lambda: now).verify(token)
    assert error.value.retry_after_seconds is None
    return error.value.code


def test_a_signed_token_verifies_until_it_expires() -> None:
    token = sign_token(SECRET, "alice", 60, now=NOW)
    claims = TokenVerifier(SECRET, clock=lambda: NOW + 59).verify(token)
    assert (claims.user_id, claims.expires_at) == ("alice", NOW + 60)
    assert refusal(token, NOW + 60) is ErrorCode.TOKEN_EXPIRED


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 40])
def test_what_is_no_token_is_unauthenticated(token: str) -> None:
    assert refusal(token) is ErrorCode.UNAUTHENTICATED


def test_an_expired_token_of_a_stranger_is_unauthenticated_not_expired() -> None:
    assert refusal(sign_token(b"t" * 32, "alice", 60, now=0)) is ErrorCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + 60},
        {"sub": "alice"},
        {"sub": "a b", "exp": NOW + 60},
        {"sub": 7, "exp": NOW + 60},
        {"sub": "alice", "exp": "never"},
    ],
)
def test_claims_that_are_missing_or_odd_are_unauthenticated(claims: dict[str, object]) -> None:
    assert refusal(jwt.encode(claims, SECRET, algorithm="HS256")) is ErrorCode.UNAUTHENTICATED


def test_no_signature_another_algorithm_and_another_key_are_unauthenticated() -> None:
    claims = {"sub": "alice", "exp": NOW + 60}
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert refusal(unsigned) is ErrorCode.UNAUTHENTICATED
    stronger = jwt.encode(claims, b"s" * 64, algorithm="HS512")
    assert refusal(stronger) is ErrorCode.UNAUTHENTICATED
    other = jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "other"})
    assert refusal(other) is ErrorCode.UNAUTHENTICATED


def test_a_header_that_was_good_once_proves_nothing() -> None:
    verifier = TokenVerifier(SECRET, clock=lambda: NOW)
    good = sign_token(SECRET, "alice", 60, now=NOW)
    assert verifier.verify(good).user_id == "alice"
    forged = sign_token(b"t" * 32, "alice", 60, now=NOW)
    assert forged.partition(".")[0] == good.partition(".")[0]
    header, payload, _ = sign_token(SECRET, "bob", 60, now=NOW).split(".")
    for bad in (forged, f"{header}.{payload}.{good.rpartition('.')[2]}", f"{header}."):
        with pytest.raises(WhimbrelError, match="UNAUTHENTICATED"):
            verifier.verify(bad)
    assert verifier.verify(sign_token(SECRET, "bob", 60, now=NOW)).user_id == "bob"


def test_a_refusal_does_not_repeat_the_token() -> None:
    token = sign_token(b"t" * 32, "alice", 60, now=NOW)
    with pytest.raises(WhimbrelError) as error:
        TokenVerifier(SECRET, clock=lambda: NOW).verify(token)
    assert token not in str(error.value)


def test_a_secret_is_read_without_its_newline_and_must_be_long(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    assert read_secret(file) == SECRET
    file.write_bytes(b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        read_secret(file)
