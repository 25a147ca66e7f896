"""Keys that are no good are refused, whatever is wrong with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.device_keys import Prekey, Publication
from services.gateway.domain.key_proofs import check_publication
from tests.key_ring import KeyRing
from whimbrel.core.errors import ErrorCode, WhimbrelError

ALICE = KeyRing("alice", "phone")
GOOD = ALICE.publication(7, range(1, 4))
PRIME = 2**255 - 19
# All encodings of points whose order divides 8, those above the prime too: of X25519 as
# cr.yp.to/ecdh.html#validate lists them, of Ed25519 as libsodium does. The sign comes below.
LOW_X25519 = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    *((PRIME + more).to_bytes(32, "little") for more in (-1, 0, 1)),
]
LOW_ED25519 = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    *((PRIME + more).to_bytes(32, "little") for more in (-1, 0, 1)),
]


def with_high_bit(key: bytes) -> bytes:
    return key[:31] + bytes([key[31] | 0x80])


def refusal(
    publication: Publication, user_id: str = "alice", device_id: str = "phone"
) -> str | None:
    """What is said about it; None when all is well."""
    try:
        check_publication(user_id, device_id, publication)
    except WhimbrelError as error:
        return error.detail if error.code is ErrorCode.INVALID_ARGUMENT else error.code.name
    return None


def test_what_a_device_signed_for_itself_is_taken() -> None:
    assert refusal(GOOD) is None
    assert refusal(ALICE.publication()) is None


@pytest.mark.parametrize("owner", [("bob", "phone"), ("alice", "desk"), ("alicep", "hone")])
def test_nobody_publishes_the_keys_of_others_as_their_own(owner: tuple[str, str]) -> None:
    assert str(refusal(GOOD, *owner)).startswith("identity_signature")


@given(st.integers(0, 511))
def test_a_signature_with_another_bit_is_refused(bit: int) -> None:
    changed = bytearray(GOOD.identity.signature)
    changed[bit // 8] ^= 1 << bit % 8
    identity = GOOD.identity._replace(signature=bytes(changed))
    assert str(refusal(GOOD._replace(identity=identity))).startswith("identity_signature")
    changed = bytearray(GOOD.signed_prekey.signature)
    changed[bit // 8] ^= 1 << bit % 8
    signed = GOOD.signed_prekey._replace(signature=bytes(changed))
    assert str(refusal(GOOD._replace(signed_prekey=signed))).startswith("signed_prekey: signature")


def test_a_signature_holds_for_its_id_and_its_purpose_alone() -> None:
    other_id = GOOD.signed_prekey._replace(key_id=8)
    assert str(refusal(GOOD._replace(signed_prekey=other_id))).startswith("signed_prekey")
    as_identity = GOOD.identity._replace(
        identity_key=GOOD.signed_prekey.public_key, signature=GOOD.signed_prekey.signature
    )
    signed = ALICE.publication(9).signed_prekey
    assert str(refusal(Publication(as_identity, signed, ()))).startswith("identity_signature")


@pytest.mark.parametrize("low", [*LOW_X25519, *map(with_high_bit, LOW_X25519)])
def test_points_of_low_order_are_no_keys(low: bytes) -> None:
    identity = GOOD.identity._replace(identity_key=low)
    assert str(refusal(GOOD._replace(identity=identity))).startswith("identity_key: a point")
    signed = GOOD.signed_prekey._replace(public_key=low)
    assert str(refusal(GOOD._replace(signed_prekey=signed))).startswith("signed_prekey: a point")
    prekeys = (*GOOD.prekeys, Prekey(9, low))
    assert str(refusal(GOOD._replace(prekeys=prekeys))).startswith("one_time_prekeys: 9: a point")


@pytest.mark.parametrize("low", [*LOW_ED25519, *map(with_high_bit, LOW_ED25519)])
def test_a_signing_key_that_signs_everything_is_none(low: bytes) -> None:
    identity = GOOD.identity._replace(signing_key=low)
    assert str(refusal(GOOD._replace(identity=identity))).startswith("signing_key: a point")


def test_an_id_or_a_key_that_is_there_twice_is_refused() -> None:
    first, second, _ = GOOD.prekeys
    for prekeys in (
        (first, Prekey(first.key_id, second.public_key)),
        (first, Prekey(99, first.public_key)),
        (first, Prekey(99, GOOD.signed_prekey.public_key)),
        (first, Prekey(99, GOOD.identity.identity_key)),
    ):
        assert "twice" in str(refusal(GOOD._replace(prekeys=prekeys)))
