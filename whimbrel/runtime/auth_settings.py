"""The settings of tokens: which files hold the keys. What is done with them is in `auth`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import field_validator, model_validator

from whimbrel.runtime.settings_group import SettingsGroup


class AuthSettings(SettingsGroup):
    """What tokens are verified with."""

    secret_file: Path | None = None
    """File with the HS256 secret, at least 32 bytes. A file, not a value: environments are
    printed by accident. Default none: tokens are verified by keys_file alone. With both, both
    count: so one takes the place of the other without logging anybody out."""
    keys_file: Path | None = None
    """File with the public keys (EdDSA) that verify tokens, a JSON Web Key Set; read again when
    it changes. Default none: by secret_file alone."""
    signing_file: Path | None = None
    """File with the private keys, of which the first signs; for the gateway alone. Default none:
    it signs with secret_file."""
    pod_secret_file: Path | None = None
    """File with a secret of at least 32 bytes for what pods write for each other: Access its
    tickets, the gateway its refresh tokens; the same for all pods of a role. Default: that in
    secret_file. Must be given without one."""

    @field_validator("secret_file", mode="before")
    @classmethod
    def _is_none_when_empty(cls, value: object) -> object:
        # So that a layer of configuration can take back what one below has set.
        return value or None

    @model_validator(mode="after")
    def _can_verify(self) -> Self:
        if self.secret_file is None and (self.keys_file is None or self.pod_secret_file is None):
            raise ValueError("secret_file must be set, or keys_file and pod_secret_file")
        return self
