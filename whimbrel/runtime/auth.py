"""What a pod's settings say of tokens, opened: who verifies, who signs, what only pods read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.token_keys import (
    Key,
    KeyFileError,
    KeyFiles,
    read_key_set,
    read_secret,
    secret_key,
)
from whimbrel.runtime.tokens import TokenVerifier


def open_verifier(auth: AuthSettings) -> TokenVerifier:
    """Verifies by every key that the settings name. Raises KeyFileError or OSError."""
    paths = [path for path in (auth.secret_file, auth.keys_file) if path is not None]

    def read() -> Mapping[str, Key]:
        keys: list[Key] = []
        if auth.secret_file is not None:
            keys.append(secret_key(read_secret(auth.secret_file)))
        if auth.keys_file is not None:
            keys += read_key_set(auth.keys_file, private=False)
        return {key.key_id: key for key in keys}

    return TokenVerifier(KeyFiles(paths, read).find)


def open_signer(auth: AuthSettings) -> Callable[[], Key]:
    """Gives the key that signs now: the first private one, else the secret. Raises KeyFileError
    or OSError."""
    signing, secret = auth.signing_file, auth.secret_file
    if signing is not None:

        def read() -> Mapping[str, Key]:
            return {key.key_id: key for key in read_key_set(signing, private=True)}

        return KeyFiles([signing], read).first
    if secret is None:
        raise KeyFileError("signing_file or secret_file must be set where tokens are signed")
    key = secret_key(read_secret(secret))
    return lambda: key


def open_pod_secret(auth: AuthSettings) -> bytes:
    """The secret of what only pods read. Raises KeyFileError or OSError."""
    path = auth.pod_secret_file or auth.secret_file
    assert path is not None, "the settings see to that"
    return read_secret(path)
