"""A secret that cannot be used is said when it is read, and never what it is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.webhook_signing import WebhookSigner, read_secrets


def secret(size: int, letter: bytes = b"s") -> str:
    return "whsec_" + base64.b64encode(letter * size).decode()


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_the_standard_s_lengths_are_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "secrets"
    path.write_text(f"\n{secret(size)}\n\n{secret(size, b't')}\n")
    assert read_secrets(path) == [secret(size), secret(size, b"t")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (secret(23), "has 23 bytes and must have 24 to 64"),
        (secret(65), "has 65 bytes and must have 24 to 64"),
        ("whsec_", "has 0 bytes"),
        ("whsec_not base64", "is not whsec_<base64>"),
        ("geheim", "is not whsec_<base64>"),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_by_its_number(
    tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "secrets"
    path.write_text(f"{secret(32)}\n{line}\n")
    with pytest.raises(WhimbrelError) as caught:
        read_secrets(path)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert f"secret 2 of {path} {said}" in caught.value.detail
    assert line.removeprefix("whsec_") not in caught.value.detail or line == "whsec_"


def test_a_file_without_secrets_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_text("\n\n")
    with pytest.raises(WhimbrelError, match="has no webhook secret"):
        read_secrets(path)


def test_every_secret_verifies_what_is_signed() -> None:
    old, new = secret(32, b"o"), secret(32, b"n")
    headers = WebhookSigner([new, old]).headers("id-1", datetime.now(UTC), '{"a": 1}')
    for one in (old, new):
        assert Webhook(one).verify('{"a": 1}', headers) == {"a": 1}
