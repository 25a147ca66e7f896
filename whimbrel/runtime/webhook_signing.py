"""Signs what is said to somebody's backend, as the Standard Webhooks say.

    webhook-id          names what is said; the same when it is said again
    webhook-timestamp   Unix seconds of this attempt
    webhook-signature   "v1,<base64>" once for each secret, so that secrets can be rotated

Source: https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from standardwebhooks import Webhook

from whimbrel.core.errors import invalid

MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
_PREFIX: Final = "whsec_"


class WebhookSigner:
    """Makes the headers of a request."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """`secrets`: base64, with or without "whsec_". ValueError, which says what is wrong with
        one and never what it is."""
        for secret in secrets:
            _check(secret)
        self._webhooks = [Webhook(secret) for secret in secrets]

    @property
    def secrets(self) -> int:
        """How many signatures a request has."""
        return len(self._webhooks)

    def headers(self, webhook_id: str, at: datetime, content: str) -> dict[str, str]:
        """The headers of a request that says this content, tried at this moment."""
        signatures = (webhook.sign(webhook_id, at, content) for webhook in self._webhooks)
        return {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def read_secrets(path: Path) -> list[str]:
    """The secrets of the file, one a line, the newest first. Raises INVALID_ARGUMENT; never says
    what is in it."""
    secrets = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if not secrets:
        raise invalid(f"{path} has no webhook secret")
    for number, secret in enumerate(secrets, 1):
        try:
            _check(secret)
        except ValueError as error:
            raise invalid(f"secret {number} of {path} {error}") from None
    return secrets


def _check(secret: str) -> None:
    try:
        size = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not whsec_<base64>") from None
    if not MIN_SECRET_BYTES <= size <= MAX_SECRET_BYTES:
        raise ValueError(
            f"has {size} bytes and must have {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES}: make one "
            "with `openssl rand -base64 32` and put whsec_ before it"
        )
