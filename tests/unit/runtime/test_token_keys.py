"""Keys of tokens: each has one algorithm, and they change without logging anybody out."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.auth import open_signer, open_verifier
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.key_ring import KeyRing
from whimbrel.runtime.token_keys import (
    Key,
    KeyFileError,
    KeyFiles,
    key_of,
    read_key_set,
    signing_key,
)
from whimbrel.runtime.tokens import TokenVerifier, sign_token

NOW = 1_700_000_000.0
SECRET = b"s" * 32


class Keys:
    """A folder of keys, a pod that verifies by it and one that signs, and their clock."""

    def __init__(self, folder: Path) -> None:
        self.signing_file, self.keys_file = folder / "signing.json", folder / "keys.json"
        self.ring = KeyRing(self.signing_file, self.keys_file)
        self.first = self.ring.add()
        self.now = 0.0

        def read() -> dict[str, Key]:
            return {key.key_id: key for key in read_key_set(self.keys_file, private=False)}

        files = KeyFiles([self.keys_file], read, clock=lambda: self.now)
        self.verifier = TokenVerifier(files.find, clock=lambda: NOW)

    def token(self) -> str:
        return sign_token(signing_key(self.signing_file), "alice", 60, now=NOW)

    def verifies(self, token: str) -> bool:
        try:
            return self.verifier.verify(token).user_id == "alice"
        except WhimbrelError as error:
            if error.code is not ErrorCode.UNAUTHENTICATED:
                raise
            return False


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def test_a_rotation_refuses_no_token_at_any_step(keys: Keys) -> None:
    old = keys.token()
    new_id = keys.ring.add()
    assert jwt.get_unverified_header(keys.token())["kid"] == keys.first, "it signs nothing yet"
    keys.ring.promote(new_id, NOW)
    new = keys.token()
    assert jwt.get_unverified_header(new)["kid"] == new_id
    assert keys.verifies(new), "an id that is not known is looked for at once"
    assert keys.verifies(old)
    with pytest.raises(WhimbrelError, match="wait 900 s more"):
        keys.ring.retire(keys.first, NOW, after_seconds=900)
    keys.ring.retire(keys.first, NOW + 900, after_seconds=900)
    keys.now += 1.0
    assert keys.verifies(new)
    assert not keys.verifies(old)


def test_the_key_that_signs_is_not_retired(keys: Keys) -> None:
    with pytest.raises(WhimbrelError, match="promote another one first") as refused:
        keys.ring.retire(keys.first, NOW, after_seconds=0)
    assert refused.value.code is ErrorCode.CONFLICT
    with pytest.raises(WhimbrelError, match="no key") as unknown:
        keys.ring.promote("other", NOW)
    assert unknown.value.code is ErrorCode.NOT_FOUND


def test_files_are_not_read_for_every_stranger(keys: Keys) -> None:
    stranger = sign_token(SECRET, "alice", 60, now=NOW)
    assert not keys.verifies(stranger)
    new_id = keys.ring.add()
    keys.ring.promote(new_id, NOW)
    assert not keys.verifies(keys.token()), "0.2 s have not passed"
    keys.now += 0.2
    assert keys.verifies(keys.token())


def test_what_cannot_be_read_changes_nothing(keys: Keys) -> None:
    token = keys.token()
    for broken in ("", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA", "kid": "x"}]}'):
        keys.keys_file.write_text(broken)
        keys.now += 1.0
        assert keys.verifies(token)
    keys.keys_file.unlink()
    keys.now += 1.0
    assert keys.verifies(token)


def test_only_who_signs_has_private_keys(keys: Keys) -> None:
    assert keys.signing_file.stat().st_mode & 0o777 == 0o600
    assert all("d" not in row for row in json.loads(keys.keys_file.read_text())["keys"])
    with pytest.raises(KeyFileError, match="only public keys belong there"):
        read_key_set(keys.signing_file, private=False)
    with pytest.raises(KeyFileError, match="only private keys belong there"):
        signing_key(keys.keys_file)
    secret = json.loads(keys.signing_file.read_text())["keys"][0]["d"]
    assert secret not in repr(signing_key(keys.signing_file))


def test_a_file_signs_with_whatever_it_holds(keys: Keys, tmp_path: Path) -> None:
    secret_file = tmp_path / "token.key"
    secret_file.write_bytes(SECRET + b"\n")
    assert key_of(secret_file) == Key("local", "HS256", SECRET)
    assert key_of(keys.signing_file).key_id == keys.first
    with pytest.raises(KeyFileError, match="only private keys"):
        key_of(keys.keys_file)
    secret_file.write_text("short")
    with pytest.raises(KeyFileError, match="32 bytes"):
        key_of(secret_file)


def forged(header: dict[str, Any], key: bytes) -> str:
    """A token that PyJWT would refuse to make."""

    def part(content: dict[str, Any]) -> bytes:
        return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")

    signed = part(header) + b"." + part({"sub": "alice", "exp": NOW + 60})
    tag = urlsafe_b64encode(hmac.digest(key, signed, sha256)).rstrip(b"=")
    return (signed + b"." + tag).decode()


def test_a_public_key_is_no_secret_to_sign_with(keys: Keys) -> None:
    public = read_key_set(keys.keys_file, private=False)[0].material
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for known in (raw, pem, pem.strip(), json.loads(keys.keys_file.read_text())["keys"][0]["x"]):
        key = known if isinstance(known, bytes) else known.encode()
        assert not keys.verifies(forged({"alg": "HS256", "kid": keys.first}, key))
        assert not keys.verifies(forged({"alg": "EdDSA", "kid": keys.first}, key))
    assert not keys.verifies(forged({"alg": "none", "kid": keys.first}, b""))
    odd: list[object] = [None, 7, [], {"x": 1}, "", "local"]
    for kid in odd:
        assert not keys.verifies(forged({"alg": "HS256", "kid": kid}, raw))


def test_a_secret_and_keys_count_together_until_the_secret_goes(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    secret_file = tmp_path / "token.key"
    secret_file.write_bytes(SECRET)
    old = AuthSettings(secret_file=secret_file)
    both = AuthSettings(
        secret_file=secret_file, keys_file=keys.keys_file, signing_file=keys.signing_file
    )
    new = AuthSettings(
        keys_file=keys.keys_file, signing_file=keys.signing_file, pod_secret_file=secret_file
    )

    def token_of(auth: AuthSettings) -> str:

        return sign_token(open_signer(auth)(), "alice", 60, now=time.time())

    def takes(auth: AuthSettings, token: str) -> bool:
        try:
            return open_verifier(auth).verify(token).user_id == "alice"
        except WhimbrelError:
            return False

    assert [takes(one, token_of(old)) for one in (old, both, new)] == [True, True, False]
    assert [takes(one, token_of(new)) for one in (old, both, new)] == [False, True, True]
    assert jwt.get_unverified_header(token_of(both))["alg"] == "EdDSA"
    # The secret does not verify what claims to be of a key, nor the other way round.
    assert not takes(both, forged({"alg": "EdDSA", "kid": "local"}, SECRET))
    assert not takes(both, forged({"alg": "HS256", "kid": keys.first}, SECRET))


def test_settings_that_verify_nothing_are_refused(tmp_path: Path) -> None:
    for given in ({}, {"keys_file": tmp_path}, {"signing_file": tmp_path}):
        with pytest.raises(ValueError, match="secret_file must be set, or keys_file"):
            AuthSettings(**given)
