"""What an operator can set for each provider of push. Keys come from files: environments are
printed by accident, and files can be replaced while the pod runs. A provider without its settings
is not used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from whimbrel.runtime.settings_group import SettingsGroup

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{10}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+[^\s]*$")]


class ApnsSettings(SettingsGroup):
    """Apple's push service."""

    key_file: Path
    """File with the signing key as Apple gives it (.p8, PEM)."""
    key_id: Identifier | None = None
    """The key's id, 10 characters. No default: this or key_id_file."""
    key_id_file: Path | None = None
    """File with the key's id. A new key has a new id: beside the key in a file it is read again
    with it, and a rotation needs no restart. Default: none, key_id says it."""
    team_id: Identifier
    """The developer team's id, 10 characters."""
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]{1,128}$")]
    """The application's bundle id."""
    host: str = "api.push.apple.com"
    """Default: Apple's production environment. Tokens of a development build need the sandbox:
    api.sandbox.push.apple.com."""
    port: Annotated[int, Field(ge=1, le=65535)] = 443
    """Default 443. Apple listens on 2197 too."""
    ca_file: Path | None = None
    """PEM file of the authority that signed the server's certificate. Default: those that the
    system trusts."""

    @model_validator(mode="after")
    def _names_its_key_once(self) -> Self:
        if (self.key_id is None) == (self.key_id_file is None):
            raise ValueError("exactly one of key_id and key_id_file must be given")
        return self


class FcmSettings(SettingsGroup):
    """Firebase Cloud Messaging, HTTP v1."""

    service_account_file: Path
    """The service account's JSON as the console gives it; it names project and token endpoint."""
    url: Url = "https://fcm.googleapis.com"
    """Where FCM is. Default: Google's."""


class WebPushSettings(SettingsGroup):
    """Browsers, by whatever push service their maker runs."""

    vapid_key_file: Path
    """File with the private key (PEM, P-256) whose public half the pages subscribed with."""
    contact: Annotated[str, Field(pattern=r"^(mailto:|https://)\S+$")]
    """Where a push service complains: mailto: or https:."""
    allows_private_networks: bool = False
    """Whether endpoints may be http: and in private networks. Default false: users name the
    endpoints, and must not have us call what stands beside us."""


class WebhookProviderSettings(SettingsGroup):
    """Servers of the application's own, which the tokens of devices name as URLs."""

    secret_file: Path
    """File with the secret that signs (Standard Webhooks): base64, with or without "whsec_"."""
    allows_private_networks: bool = False
    """Whether they may be http: and in private networks. Default false: users name the URLs, and
    must not have us call what stands beside us."""
